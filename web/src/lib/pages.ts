// Lists of the API that come in pages: the first at once, the next ones on request.
import { useEffect, useState } from "preact/hooks";
import { address, call, type ApiError, type Options } from "../api/call";
import { useGet, type ResourceOptions } from "./resource";

export interface Paged<T> {
  rows: T[] | undefined;
  first: Page | undefined; // the first page's whole answer
  error: ApiError | undefined;
  loading: boolean;
  hasMore: boolean;
  more(): Promise<void>;
  reload(): void;
}

type Page = Record<string, unknown> & { next_cursor?: string | null; next_before?: number | null };
const LIMIT = 200;

/** Read pages of a list, whose rows stand in the field `name` of each answer; a null path reads nothing. */
export function usePages<T>(path: string | null, asked: Options["query"], name: string, options: ResourceOptions = {}): Paged<T> {
  const query = { limit: LIMIT, ...asked };
  const first = useGet<Page>(path, query, { keep: true, ...options });
  const [rest, setRest] = useState<{ of: Page; rows: T[]; last: Page } | null>(null);
  const key = path && address(path, query);
  useEffect(() => setRest(null), [key]);
  const behind = rest && rest.of === first.data ? rest : null;
  const last = behind?.last ?? first.data;
  const next = last && (last.next_cursor ?? last.next_before);
  return {
    rows: first.data && [...(first.data[name] as T[]), ...(behind?.rows ?? [])],
    first: first.data,
    error: first.error,
    loading: first.loading,
    hasMore: next !== null && next !== undefined,
    more: async () => {
      if (!last || !first.data || !path) return;
      const of = first.data;
      const page = await call<Page>("GET", path, { query: { ...query, ["next_before" in last ? "before" : "cursor"]: next } });
      setRest({ of, rows: [...(behind?.rows ?? []), ...(page[name] as T[])], last: page });
    },
    reload: first.reload,
  };
}
