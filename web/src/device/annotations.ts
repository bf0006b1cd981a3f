// What happened to a device in a range: statuses, gaps with their reasons, maintenance, alerts, commands, software.
import { call } from "../api/call";
import type { AgentDetail, DeviceAnnotations } from "../api/schema";
import { iso, type TimeRange } from "../lib/range";
import { useResource, type Resource } from "../lib/resource";

const EVERY_SECONDS = 60;

/** Read the annotations of a device's charts, again when its status changes. */
export function useAnnotations(device: AgentDetail | undefined, range: TimeRange, poll = true): Resource<DeviceAnnotations> {
  const key = device ? `annotations ${device.id} ${device.status} ${range.key}` : null;
  const read = (signal: AbortSignal) => call<DeviceAnnotations>("GET", `/api/agents/${device!.id}/annotations`, { query: { start: iso(range.from), end: iso(range.to) }, signal });
  return useResource(key, read, { keep: true, every: range.isLive ? EVERY_SECONDS : 0, poll });
}
