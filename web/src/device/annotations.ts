// What happened to a device in a range: read anew each minute while the range ends now, not each time a second passes.
import type { Annotations } from "../api/pending";
import { call } from "../api/call";
import { iso, type TimeRange } from "../lib/range";
import { useResource, type Resource } from "../lib/resource";

const EVERY_SECONDS = 60;

export function useAnnotations(id: string, range: TimeRange, poll = true): Resource<Annotations> {
  const query = { start: iso(range.from), end: iso(range.to) };
  return useResource<Annotations>(`annotations ${id} ${range.key}`, (signal) => call("GET", `/api/agents/${id}/annotations`, { query, signal }), { keep: true, every: range.isLive ? EVERY_SECONDS : 0, poll });
}
