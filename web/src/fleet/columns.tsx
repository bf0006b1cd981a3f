// The columns that a device list can show: title, width, cell, and text for CSV.
import type { JSX } from "preact";
import { isEmployee } from "../api/session";
import { isStale, now } from "../lib/clock";
import { duration, percent, number } from "../lib/format";
import { shown } from "../lib/names";
import { texts, type Texts } from "../texts";
import { levelOf, Meter } from "../ui/meter";
import { Mark } from "../ui/status";
import { When } from "../ui/controls";
import type { SortKey } from "./filter";
import type { Device } from "./store";

export interface Column {
  key: SortKey;
  width: string; // of a grid track
  cell(device: Device): JSX.Element | string;
  csv(device: Device): string | number | null;
}

function Percent({ value, stale }: { value: number | null; stale: boolean }) {
  if (value === null) return <span class="faint">–</span>;
  return (
    <Meter value={value} level={stale ? "stale" : levelOf(value)}>
      {percent(value)}
    </Meter>
  );
}

function Alerts({ device }: { device: Device }) {
  const { alerts, worst } = device.live.value;
  if (!alerts) return <span class="faint">0</span>;
  const severity = worst ?? "info";
  return (
    <span class={`word ${severity}`}>
      <Mark kind={severity} label={texts.value.severities[severity]} /> {number(alerts)}
    </span>
  );
}

function Seen({ device }: { device: Device }) {
  const at = device.live.value.seenAt;
  return Number.isNaN(at) ? <span class="faint">{texts.value.never}</span> : <When time={at} />;
}

function measure(key: "cpu" | "memory" | "disk"): Column {
  return {
    key,
    width: "minmax(92px, 0.7fr)",
    cell: (device) => <Percent value={device.live.value[key]} stale={isStale.value || device.live.value.status === "offline"} />,
    csv: (device) => device.live.peek()[key],
  };
}

function plain(key: "business" | "site" | "version" | "hostname" | "address", width: string): Column {
  return { key, width, cell: (device) => shown(device[key]) || "–", csv: (device) => device[key] };
}

export const COLUMNS: Column[] = [
  plain("business", "minmax(130px, 1.5fr)"),
  plain("site", "minmax(110px, 1.3fr)"),
  { key: "os", width: "minmax(76px, 0.7fr)", cell: (device) => osName(device), csv: (device) => osName(device) },
  { key: "type", width: "minmax(70px, 0.6fr)", cell: (device) => typeName(device.type), csv: (device) => device.type },
  measure("cpu"),
  measure("memory"),
  measure("disk"),
  { key: "alerts", width: "minmax(58px, 0.4fr)", cell: (device) => <Alerts device={device} />, csv: (device) => device.live.peek().alerts },
  { key: "seen", width: "minmax(88px, 0.7fr)", cell: (device) => <Seen device={device} />, csv: (device) => isoOf(device.live.peek().seenAt) },
  plain("version", "minmax(66px, 0.5fr)"),
  plain("hostname", "minmax(110px, 1fr)"),
  plain("address", "minmax(110px, 0.9fr)"),
  { key: "created", width: "minmax(90px, 0.7fr)", cell: (device) => <When time={device.createdAt} at />, csv: (device) => device.createdAt },
];

const USUAL = ["business", "site", "os", "cpu", "memory", "disk", "alerts", "seen", "version"];

/** The columns where none are chosen; a customer's devices are all of one business. */
export function defaultColumns(): string[] {
  return isEmployee.value ? USUAL : USUAL.slice(1);
}

/** Return the columns that a comma-separated list names, in their usual order. */
export function columnsOf(names: string): Column[] {
  const wanted = names ? names.split(",") : defaultColumns();
  return COLUMNS.filter((column) => wanted.includes(column.key));
}

export function columnTitle(key: SortKey): string {
  return texts.value.columns[key as keyof Texts["columns"]];
}

function isoOf(at: number): string {
  return Number.isNaN(at) ? "" : new Date(at).toISOString();
}

export function osName(device: { os: string; osVersion?: string }): string {
  const names: Record<string, string> = { windows: "Windows", linux: "Linux", macos: "macOS" };
  return [names[device.os] ?? (device.os || "–"), device.osVersion].filter(Boolean).join(" ");
}

export function typeName(type: string | null): string {
  return type ? (texts.value.types[type as keyof Texts["types"]] ?? type) : "–";
}

/** How long a device has been silent, in words, for devices that are due. */
export function silence(device: Device): string {
  const at = device.live.value.seenAt;
  return Number.isNaN(at) ? texts.value.never : duration((now.value - at) / 1000);
}
