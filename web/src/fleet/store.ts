// All devices that the person may see, in memory: filtered and sorted here, so that a key in the search waits for nobody.
import { signal, type Signal } from "@preact/signals";
import { ApiError, call } from "../api/call";
import type { DeviceColumns, Severity, Status } from "../api/pending";
import { serverNow } from "../lib/clock";
import { millis } from "../lib/format";

/** What changes by itself; a message of the live channel sets only the fields that it carries. */
export interface LiveValues {
  status: Status;
  cpu: number | null;
  memory: number | null;
  disk: number | null;
  seenAt: number; // newest of heartbeat and sample, milliseconds; NaN: never
  alerts: number;
  worst: Severity | null;
}

export interface Device {
  id: string;
  name: string;
  businessId: string;
  business: string;
  siteId: string;
  site: string;
  os: string;
  osVersion: string;
  type: string;
  hostname: string;
  address: string;
  version: string;
  createdAt: string;
  interval: number; // seconds between samples
  isActive: boolean;
  isClone: boolean;
  isDecommissioned: boolean;
  text: string; // what the search looks through, in lower case
  live: Signal<LiveValues>;
}

export interface FleetState {
  loaded: number;
  total: number | null;
  isComplete: boolean;
  error: ApiError | null;
  asOf: number;
}

const PAGE = 1000;
const FIRST_PAGE = 100; // the first screen comes at once, the rest behind it

export const devices = new Map<string, Device>();
export const fleet = signal<FleetState>({ loaded: 0, total: null, isComplete: false, error: null, asOf: 0 });
/** Counts up when devices come or go or are renamed: lists take their order anew. */
export const membership = signal(0);

let running: AbortController | null = null;
let early: Promise<DeviceColumns | null> | null = null;

/** Begin to read the first screen before it is known who asks; nobody who is signed out is asked to sign in for it. */
export function loadFirstScreen(): void {
  const query = { format: "columns", limit: FIRST_PAGE };
  early = call<DeviceColumns>("GET", "/api/agents", { query, waitForSignIn: false }).catch(() => null);
}

/** The first screen that was read early, once. */
async function takeEarly(): Promise<DeviceColumns | null> {
  const found = early;
  early = null;
  return found;
}

/** Read the whole list, page by page; rows that are shown already stay and are updated. */
export async function loadFleet(): Promise<void> {
  running?.abort();
  const controller = (running = new AbortController());
  const seen = new Set<string>();
  let cursor: string | null = null;
  let limit = devices.size ? PAGE : FIRST_PAGE;
  try {
    do {
      const ready: DeviceColumns | null = cursor ? null : await takeEarly();
      if (controller.signal.aborted) return;
      const page: DeviceColumns = ready ?? (await call<DeviceColumns>("GET", "/api/agents", { query: { format: "columns", limit, cursor }, signal: controller.signal }));
      takePage(page, seen);
      cursor = page.next_cursor;
      limit = PAGE;
    } while (cursor);
    forgetOthers(seen);
    fleet.value = { ...fleet.value, loaded: seen.size, total: seen.size, isComplete: true, error: null, asOf: serverNow() };
  } catch (error) {
    if (controller.signal.aborted) return;
    fleet.value = { ...fleet.value, error: error instanceof ApiError ? error : new ApiError(0, "page_fault", String(error)) };
  }
}

function takePage(page: DeviceColumns, seen: Set<string>): void {
  const at: Record<string, number> = {};
  for (const [index, name] of page.columns.entries()) at[name] = index;
  for (const row of page.rows) {
    const device = takeRow((name) => row[at[name] ?? -1]);
    seen.add(device.id);
  }
  const loaded = Math.max(seen.size, fleet.peek().isComplete ? devices.size : 0);
  fleet.value = { ...fleet.peek(), loaded, total: page.total ?? fleet.peek().total, error: null };
  membership.value++;
}

type Cell = (name: string) => unknown;

function text(cell: Cell, name: string): string {
  const value = cell(name);
  return typeof value === "string" ? value : "";
}

function count(cell: Cell, name: string): number | null {
  const value = cell(name);
  return typeof value === "number" ? value : null;
}

function liveOf(cell: Cell): LiveValues {
  const seen = [millis(text(cell, "last_heartbeat")), millis(text(cell, "last_metrics_received"))].filter((at) => !Number.isNaN(at));
  return {
    status: (text(cell, "status") || "offline") as Status,
    cpu: count(cell, "cpu_percent"),
    memory: count(cell, "memory_percent"),
    disk: count(cell, "disk_percent"),
    seenAt: seen.length ? Math.max(...seen) : NaN,
    alerts: count(cell, "open_alerts") ?? 0,
    worst: (text(cell, "worst_severity") || null) as Severity | null,
  };
}

function takeRow(cell: Cell): Device {
  const id = text(cell, "id");
  const values = liveOf(cell);
  const known = devices.get(id);
  const fresh = {
    id,
    name: text(cell, "device_name"),
    businessId: text(cell, "business_id"),
    business: text(cell, "business_name"),
    siteId: text(cell, "location_id"),
    site: text(cell, "location_name"),
    os: text(cell, "os_type"),
    osVersion: text(cell, "os_version"),
    type: text(cell, "device_type"),
    hostname: text(cell, "hostname"),
    address: text(cell, "ip_address"),
    version: text(cell, "agent_version"),
    createdAt: text(cell, "created_at"),
    interval: count(cell, "metrics_interval_seconds") ?? 300,
    isActive: cell("is_active") !== false,
    isClone: cell("clone_suspected") === true,
    isDecommissioned: Boolean(cell("decommissioned_at")),
    text: "",
  };
  fresh.text = [fresh.name, fresh.hostname, fresh.address, fresh.business, fresh.site].join("\n").toLowerCase();
  if (known) {
    Object.assign(known, fresh);
    if (!same(known.live.peek(), values)) known.live.value = values;
    return known;
  }
  const device: Device = { ...fresh, live: signal(values) };
  devices.set(id, device);
  return device;
}

function same(a: LiveValues, b: LiveValues): boolean {
  return a.status === b.status && a.cpu === b.cpu && a.memory === b.memory && a.disk === b.disk && Object.is(a.seenAt, b.seenAt) && a.alerts === b.alerts && a.worst === b.worst;
}

function forgetOthers(seen: Set<string>): void {
  let gone = false;
  for (const id of devices.keys()) if (!seen.has(id)) gone = devices.delete(id) || gone;
  if (gone) membership.value++;
}
