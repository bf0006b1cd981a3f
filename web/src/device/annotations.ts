// What happened to a device in a range, gathered from its events, alerts, commands, software and maintenance windows.
// A part that can't be read is left out; the charts are there without it.
import { ApiError, call } from "../api/call";
import type { Alert, Annotations, Status, Window } from "../api/pending";
import type { AgentDetail, CommandList, DeviceEvent, EventList, SoftwareChange } from "../api/schema";
import { serverNow } from "../lib/clock";
import { millis } from "../lib/format";
import { iso, type TimeRange } from "../lib/range";
import { useResource, type Resource } from "../lib/resource";
import { texts } from "../texts";
import { occurrences } from "../maintenance/occurrences";

const EVERY_SECONDS = 60;
const LATE_MS = 10 * 60_000; // samples this young may still come
const LIMIT = 500;

export function useAnnotations(device: AgentDetail | undefined, range: TimeRange, poll = true): Resource<Annotations> {
  const key = device ? `annotations ${device.id} ${device.status} ${range.key}` : null;
  return useResource<Annotations>(key, (signal) => gather(device!, range, signal), { keep: true, every: range.isLive ? EVERY_SECONDS : 0, poll });
}

async function gather(device: AgentDetail, range: TimeRange, signal: AbortSignal): Promise<Annotations> {
  const read = async <T>(path: string, query: Record<string, string | number>, otherwise: T): Promise<T> => {
    try {
      return await call<T>("GET", path, { query, signal });
    } catch (error) {
      if (error instanceof ApiError && error.status >= 400 && error.status < 500) return otherwise;
      throw error;
    }
  };
  const at = `/api/agents/${device.id}`;
  const [events, alerts, commands, software, windows] = await Promise.all([
    read<EventList>(`${at}/events`, { event_type: "status_changed", limit: LIMIT }, { events: [], next_before: null }),
    read<{ alerts: Alert[] }>(`${at}/alerts`, { limit: 200 }, { alerts: [] }),
    read<CommandList>(`${at}/commands/history`, { limit: 200 }, { commands: [], next_cursor: null }),
    read<{ changes: SoftwareChange[] }>(`${at}/inventory/software/changes`, { since: iso(range.from), until: iso(range.to), limit: LIMIT }, { changes: [] }),
    read<{ windows: Window[] }>("/api/agents/maintenance-windows", { business_id: device.business.id, limit: LIMIT }, { windows: [] }),
  ]);
  const statuses = statusesOf(device, events.events, range);
  const maintenance = windows.windows.filter((window) => reaches(window, device)).flatMap((window) => occurrences(window, range.from, range.to));
  return {
    start: iso(range.from),
    end: iso(range.to),
    as_of: iso(serverNow()),
    statuses,
    gaps: gapsOf(device, statuses, maintenance, range),
    maintenance,
    alerts: alerts.alerts.filter((one) => overlaps(millis(one.triggered_at), one.resolved_at ? millis(one.resolved_at) : Infinity, range)).map(markOf),
    commands: commands.commands.filter((one) => overlaps(millis(one.created_at), millis(one.created_at), range)),
    software: byTime(software.changes),
    retention: [],
    enrolled_at: device.enrolled_at,
  };
}

function overlaps(start: number, end: number, range: TimeRange): boolean {
  return end >= range.from && start <= range.to;
}

function reaches(window: Window, device: AgentDetail): boolean {
  if (window.agent_device_id) return window.agent_device_id === device.id;
  return !window.service_location_id || window.service_location_id === device.service_location?.id;
}

/** The statuses over the range: each change begins one, the device's own status is the last. */
function statusesOf(device: AgentDetail, events: DeviceEvent[], range: TimeRange): Annotations["statuses"] {
  const found: Annotations["statuses"] = [];
  let end = Math.min(range.to, serverNow());
  let status: Status = device.status;
  const add = (start: number, reason: string | null) => {
    const from = Math.max(start, range.from);
    if (end > from) found.unshift({ status, start: iso(from), end: iso(end), reason });
  };
  for (const event of events) {
    const at = millis(event.occurred_at);
    if (at < end) {
      add(at, typeof event.data.why === "string" ? event.data.why : null);
      end = at;
    }
    if (typeof event.data.from === "string") status = event.data.from as Status;
    if (at <= range.from) return found;
  }
  add(Math.max(range.from, millis(device.enrolled_at ?? device.created_at)), null);
  return found;
}

/** Why there may be no samples in a span. */
function gapsOf(device: AgentDetail, statuses: Annotations["statuses"], maintenance: Annotations["maintenance"], range: TimeRange): Annotations["gaps"] {
  const t = texts.value.gaps;
  const gaps: Annotations["gaps"] = [];
  const add = (start: number, end: number, reason: Annotations["gaps"][number]["reason"], message = t.words[reason]) => {
    if (end > start) gaps.push({ start: iso(start), end: iso(end), reason, message: message ?? "" });
  };
  const begun = millis(device.enrolled_at ?? device.created_at);
  if (begun > range.from) add(range.from, Math.min(begun, range.to), "not_enrolled");
  for (const one of statuses) {
    const reason = one.status === "disabled" ? (device.decommissioned_at ? "decommissioned" : "deactivated") : "offline";
    // Silence began before it was noticed: by some intervals.
    if (["offline", "disabled", "warning"].includes(one.status)) add(millis(one.start) - 4000 * device.metrics_interval_seconds, millis(one.end), reason, one.reason ? `${t.words[reason]}: ${one.reason}` : undefined);
  }
  for (const one of maintenance) add(millis(one.start), millis(one.end), "maintenance", `${t.words.maintenance}: ${one.window_name}`);
  if (!device.monitoring_enabled) add(range.from, range.to, "monitoring_off");
  const late = serverNow() - LATE_MS;
  if (range.to > late && device.status === "online") add(late, range.to, "may_come_late");
  return gaps;
}

function markOf(alert: Alert): Annotations["alerts"][number] {
  return {
    id: alert.id,
    rule_id: alert.rule_id,
    alert_name: alert.alert_name,
    severity: alert.severity,
    status: alert.status,
    start: alert.triggered_at,
    end: alert.resolved_at,
    metric: metricOf(alert),
    threshold: alert.threshold_value,
    message: alert.alert_message,
  };
}

/** The metric that an alert is of: as the API names it, else by its type, as `cpu_percent_high`. */
export function metricOf(alert: Alert): string | null {
  if (alert.metric) return alert.metric;
  return Object.keys(texts.value.metrics).find((name) => alert.alert_type.startsWith(name)) ?? null;
}

/** Software changes of one list stand at one time: counted together. */
function byTime(changes: SoftwareChange[]): Annotations["software"] {
  const found = new Map<string, Annotations["software"][number]>();
  for (const { at, change } of changes) {
    const entry = found.get(at) ?? { at, installed: 0, removed: 0, upgraded: 0 };
    entry[change]++;
    found.set(at, entry);
  }
  return [...found.values()];
}
