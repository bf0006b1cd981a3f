// Which devices are selected: ids, independent of what a filter shows; a dialog takes a copy that stays as it is.
import { signal } from "@preact/signals";

export const selected = signal<ReadonlySet<string>>(new Set());

export function select(id: string, on: boolean): void {
  const next = new Set(selected.value);
  if (on) next.add(id);
  else next.delete(id);
  selected.value = next;
}

export function selectAll(ids: string[]): void {
  selected.value = new Set(ids);
}

export function clearSelection(): void {
  selected.value = new Set();
}
