// CSV as of RFC 4180, in UTF-8 with a mark; a cell that a spreadsheet would run as a formula is made text.
import { shown } from "./names";

export type Cell = string | number | boolean | null | undefined;

function cellOf(value: Cell): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const text = shown(value);
  const safe = /^\s*[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function csv(head: string[], rows: Iterable<Cell[]>): string {
  const lines = [head.map(cellOf).join(",")];
  for (const row of rows) lines.push(row.map(cellOf).join(","));
  return `${lines.join("\r\n")}\r\n`;
}

/** Have the browser save a file. */
export function save(name: string, content: BlobPart, type: string): void {
  const link = document.createElement("a");
  const url = URL.createObjectURL(new Blob(type.startsWith("text/csv") ? ["\ufeff", content] : [content], { type }));
  link.href = url;
  link.download = name.replace(/[^\p{L}\p{N}._-]+/gu, "-");
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

export function saveCsv(name: string, head: string[], rows: Iterable<Cell[]>): void {
  save(`${name}.csv`, csv(head, rows), "text/csv;charset=utf-8");
}
