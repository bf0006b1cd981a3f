// Lists of the API that come in pages: the first at once, the next ones on request.
import { useEffect, useState } from "preact/hooks";
import { useResource, type ResourceOptions } from "./resource";
import type { ApiError } from "../api/call";

export interface Paged<T, P> {
  rows: T[] | undefined;
  first: P | undefined; // the first page's whole answer
  error: ApiError | undefined;
  loading: boolean;
  hasMore: boolean;
  more(): Promise<void>;
  reload(): void;
}

/** Read pages of a list; `load` gets the cursor (null: the first page) and `take` says what a page holds. */
export function usePages<T, P>(key: string | null, load: (cursor: string | null, signal?: AbortSignal) => Promise<P>, take: (page: P) => [rows: T[], next: string | null], options: ResourceOptions = {}): Paged<T, P> {
  const first = useResource<P>(key, (signal) => load(null, signal), { keep: true, ...options });
  const [rest, setRest] = useState<{ of: P; rows: T[]; next: string | null } | null>(null);
  useEffect(() => setRest(null), [key]);
  const head = first.data ? take(first.data) : undefined;
  const behind = rest && rest.of === first.data ? rest : null;
  const next = behind ? behind.next : (head?.[1] ?? null);
  return {
    rows: head && [...head[0], ...(behind?.rows ?? [])],
    first: first.data,
    error: first.error,
    loading: first.loading,
    hasMore: next !== null,
    more: async () => {
      if (next === null || !first.data) return;
      const of = first.data;
      const [rows, after] = take(await load(next));
      setRest({ of, rows: [...(behind?.rows ?? []), ...rows], next: after });
    },
    reload: first.reload,
  };
}
