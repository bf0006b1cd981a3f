// Changes of devices from the live channel: one gathered frame a second for the fleet, single ones for followed devices.
import { signal } from "@preact/signals";
import type { Severity, Status } from "../api/pending";
import { millis } from "../lib/format";
import { followDevices, followScope, onMessage, type Message } from "../lib/live";
import { devices, loadFleet, type LiveValues } from "./store";

/** Counts up with each frame that changed a value: an order by values may be out of date. */
export const valuesChanged = signal(0);
/** Commands that wait for a second employee, by the newest frame; null before one said so. */
export const awaitingApproval = signal<number | null>(null);

interface FleetFrame {
  devices?: Array<Record<string, unknown> & { id: string }>;
  more?: boolean;
  commands_awaiting_approval?: number;
}

/** Follow the fleet until the returned function is called. */
export function followFleet(): () => void {
  const leave = followScope({ scope: "fleet" });
  const stops = [onMessage("fleet", takeFrame), onMessage("status", takeStatus), onMessage("metrics", takeMetrics)];
  return () => {
    leave();
    followVisible([]);
    for (const stop of stops) stop();
  };
}

function takeFrame(message: Message): void {
  const frame = message as FleetFrame & Message;
  let isNew = false;
  for (const change of frame.devices ?? []) isNew = !set(change.id, valuesOf(change)) || isNew;
  if (frame.commands_awaiting_approval !== undefined) awaitingApproval.value = frame.commands_awaiting_approval;
  if (frame.devices?.length) valuesChanged.value++;
  if (frame.more || isNew) reloadSoon();
}

let leaveVisible = () => undefined as void;

/** Follow the devices that are on the screen: their values come with each sample. */
export function followVisible(ids: string[]): void {
  const before = leaveVisible;
  leaveVisible = ids.length ? followDevices(ids) : () => undefined;
  before();
}

let reloadTimer = 0;

/** A frame that named an unknown device, or left some out: read the list again, at most each 10 s. */
function reloadSoon(): void {
  if (reloadTimer) return;
  reloadTimer = window.setTimeout(() => {
    reloadTimer = 0;
    void loadFleet();
  }, 10_000 * Math.random() + 1000);
}

function takeStatus(message: Message): void {
  const patch: Partial<LiveValues> = { status: message.status as Status };
  const at = millis(message.last_heartbeat as string | null);
  if (!Number.isNaN(at)) patch.seenAt = at;
  set(String(message.agent_id), patch);
}

function takeMetrics(message: Message): void {
  const metrics = (message.metrics ?? {}) as Record<string, number | null>;
  set(String(message.agent_id), valuesOf({ ...metrics, last_metrics_received: message.collected_at }));
}

/** Return only what a message carries. */
function valuesOf(change: Record<string, unknown>): Partial<LiveValues> {
  const patch: Partial<LiveValues> = {};
  if ("status" in change) patch.status = change.status as Status;
  if ("cpu_percent" in change) patch.cpu = change.cpu_percent as number | null;
  if ("memory_percent" in change) patch.memory = change.memory_percent as number | null;
  if ("disk_percent" in change) patch.disk = change.disk_percent as number | null;
  if ("open_alerts" in change) patch.alerts = change.open_alerts as number;
  if ("worst_severity" in change) patch.worst = change.worst_severity as Severity | null;
  for (const name of ["last_heartbeat", "last_metrics_received"]) {
    const at = millis(change[name] as string | null | undefined);
    if (!Number.isNaN(at)) patch.seenAt = Math.max(patch.seenAt ?? 0, at);
  }
  return patch;
}

function set(id: string, patch: Partial<LiveValues>): boolean {
  const device = devices.get(id);
  if (!device) return false;
  const before = device.live.peek();
  if (patch.seenAt !== undefined && before.seenAt > patch.seenAt) delete patch.seenAt;
  device.live.value = { ...before, ...patch };
  return true;
}
