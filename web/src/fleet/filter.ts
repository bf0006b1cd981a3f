// Which devices show and in which order, by the URL: q, status, business, site, os, type, alerts, over, sort.
import type { Device } from "./store";

export interface Filter {
  words: string[];
  status: Set<string>;
  business: Set<string>;
  site: Set<string>;
  os: Set<string>;
  type: Set<string>;
  alerts: boolean;
  silent: boolean; // no contact for a day
  over: [keyof typeof MEASURES, number] | null;
}

export const MEASURES = { cpu: "cpu", memory: "memory", disk: "disk" } as const;
export const FILTER_NAMES = ["status", "business", "site", "os", "type", "alerts", "silent", "over"] as const;
const DAY_MS = 86_400_000;

export function readFilter(query: URLSearchParams): Filter {
  const set = (name: string) => new Set((query.get(name) ?? "").split(",").filter(Boolean));
  const [measure, limit] = (query.get("over") ?? "").split(":");
  const isMeasure = measure !== undefined && measure in MEASURES && Number.isFinite(Number(limit));
  return {
    words: (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean),
    status: set("status"),
    business: set("business"),
    site: set("site"),
    os: set("os"),
    type: set("type"),
    alerts: query.get("alerts") === "open",
    silent: query.get("silent") === "1",
    over: isMeasure ? [measure as keyof typeof MEASURES, Number(limit)] : null,
  };
}

/** How many filters are set, the search not counted. */
export function countFilters(query: URLSearchParams): number {
  return FILTER_NAMES.filter((name) => query.get(name)).length;
}

export function matches(device: Device, filter: Filter, now: number): boolean {
  if (filter.business.size && !filter.business.has(device.businessId)) return false;
  if (filter.site.size && !filter.site.has(device.siteId)) return false;
  if (filter.os.size && !filter.os.has(device.os)) return false;
  if (filter.type.size && !filter.type.has(device.type)) return false;
  for (const word of filter.words) if (!device.text.includes(word)) return false;
  const live = device.live.peek();
  if (filter.status.size && !filter.status.has(live.status)) return false;
  if (filter.alerts && !live.alerts) return false;
  if (filter.silent && now - live.seenAt < DAY_MS) return false;
  return !filter.over || (live[filter.over[0]] ?? -1) >= filter.over[1];
}

export type SortKey = "name" | "business" | "site" | "os" | "type" | "cpu" | "memory" | "disk" | "alerts" | "seen" | "status" | "version" | "hostname" | "address" | "created";

const RANK: Record<string, number> = { error: 0, offline: 1, warning: 2, online: 3, disabled: 4 };
const SEVERITY: Record<string, number> = { critical: 3e6, warning: 2e6, info: 1e6 };
const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

function valueOf(device: Device, key: SortKey): string | number {
  const live = device.live.peek();
  switch (key) {
    case "cpu":
    case "memory":
    case "disk":
      return live[key] ?? -1;
    case "alerts":
      return live.alerts + (live.worst ? SEVERITY[live.worst]! : 0);
    case "seen":
      return live.seenAt || 0;
    case "status":
      return RANK[live.status] ?? 5;
    case "created":
      return device.createdAt;
    default:
      return device[key];
  }
}

/** Sort by a key, `-key` downwards; equals by name. */
export function sortDevices(list: Device[], sort: string): Device[] {
  const down = sort.startsWith("-");
  const key = (down ? sort.slice(1) : sort || "name") as SortKey;
  const keyed = list.map((device) => ({ device, value: valueOf(device, key) }));
  const way = down ? -1 : 1;
  keyed.sort((a, b) => {
    const order = typeof a.value === "number" && typeof b.value === "number" ? a.value - b.value : collator.compare(String(a.value), String(b.value));
    return order * way || (a.device.name < b.device.name ? -1 : a.device.name > b.device.name ? 1 : 0);
  });
  return keyed.map((one) => one.device);
}
