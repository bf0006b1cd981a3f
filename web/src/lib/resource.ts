// Data that a component reads from the API: loading, error, newest answer, and when it came.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { ApiError, address, call, type Options } from "../api/call";
import { serverNow } from "./clock";
import { pollTick } from "./live";

export interface Resource<T> {
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  at: number; // server time of the newest answer, milliseconds; 0 before
  reload(): void;
}

interface Held<T> {
  key: string | null;
  data: T | undefined;
  error: ApiError | undefined;
  loading: boolean;
  at: number;
}

export interface ResourceOptions {
  every?: number; // seconds between reads while the page is visible
  keep?: boolean; // go on showing the old answer while another key loads
  poll?: boolean; // read again each 30 s while the live channel is away; default true
  turn?: number; // read again when it changes
}

/** Read data for `key` (null: nothing) and again when the key changes; an older answer never replaces a newer one. */
export function useResource<T>(
  key: string | null,
  load: (signal: AbortSignal) => Promise<T>,
  { every = 0, keep = false, poll = true }: ResourceOptions = {},
): Resource<T> {
  const held = useSignal<Held<T>>({ key: null, data: undefined, error: undefined, loading: key !== null, at: 0 });
  const again = useSignal(0);
  const loader = useRef(load);
  loader.current = load;
  const tick = poll ? pollTick.value : 0;
  const turn = again.value;
  useEffect(() => {
    if (key === null) return undefined;
    const controller = new AbortController();
    const before = held.peek();
    const same = before.key === key;
    held.value = { ...before, key, loading: true, data: same || keep ? before.data : undefined, error: same ? before.error : undefined };
    loader.current(controller.signal).then(
      (data) => {
        if (!controller.signal.aborted) held.value = { key, data, error: undefined, loading: false, at: serverNow() };
      },
      (error: unknown) => {
        if (controller.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError(0, "page_fault", String(error));
        held.value = { ...held.peek(), error: known, loading: false };
      },
    );
    return () => controller.abort();
  }, [key, turn, tick]);
  useEffect(() => {
    if (!every || key === null) return undefined;
    const timer = setInterval(() => {
      if (!document.hidden) again.value++;
    }, every * 1000);
    return () => clearInterval(timer);
  }, [every, key]);
  const state = held.value;
  const fits = state.key === key || keep;
  return {
    data: fits ? state.data : undefined,
    error: fits ? state.error : undefined,
    loading: state.loading || (key !== null && state.key !== key),
    at: state.at,
    reload: () => {
      again.value++;
    },
  };
}

/** Options of resources that are read once: catalogues, lists for a form. */
export const ONCE: ResourceOptions = { poll: false };

/** Read the answer of a GET; null: nothing. */
export function useGet<T>(path: string | null, query: Options["query"] = {}, options: ResourceOptions = {}): Resource<T> {
  const key = path && `${address(path, query)} ${options.turn ?? ""}`;
  return useResource<T>(key, (signal) => call("GET", path ?? "", { query, signal }), options);
}
