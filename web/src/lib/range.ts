// The range of time that a page shows: `from` and `to` of the URL, absolute (ISO in UTC) or relative to the server's now.
import { now, serverNow } from "./clock";
import { place } from "./url";

export interface TimeRange {
  from: number; // milliseconds
  to: number;
  isLive: boolean; // ends now and moves on
  key: string; // changes when the question changes, not each second
  preset: string; // "24h" and so on; "" for an absolute range
  isFaulty: boolean; // the URL's range can't be read: the default shows, with a note
}

export const PRESETS = ["1h", "6h", "24h", "7d", "30d", "90d", "1y"] as const;
export const DEFAULT_PRESET = "24h";
const UNITS: Record<string, number> = { m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000, y: 365 * 86_400_000 };
const LONGEST_MS = 11 * UNITS.y!;
const SHORTEST_MS = 60_000;

/** Return the milliseconds of `24h`, `7d` …; NaN for anything else. */
export function spanOf(text: string): number {
  const found = /^(\d{1,4})([mhdwy])$/.exec(text);
  return found ? Number(found[1]) * UNITS[found[2]!]! : NaN;
}

function timeOf(text: string, at: number): number {
  if (text === "now") return at;
  if (text.startsWith("now-")) return at - spanOf(text.slice(4));
  return /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : NaN;
}

export function readRange(from: string, to: string, at: number): TimeRange {
  const start = timeOf(from || `now-${DEFAULT_PRESET}`, at);
  const end = timeOf(to || "now", at);
  const length = end - start;
  if (!(length >= SHORTEST_MS && length <= LONGEST_MS)) {
    const faulty = Boolean(from || to);
    return { ...readRange(`now-${DEFAULT_PRESET}`, "now", at), isFaulty: faulty };
  }
  const isLive = (to || "now") === "now";
  const preset = isLive ? (from || `now-${DEFAULT_PRESET}`).replace(/^now-/, "") : "";
  return { from: start, to: end, isLive, key: `${from}|${to}`, preset: spanOf(preset) ? preset : "", isFaulty: false };
}

/** The range of this page's URL, by the server's clock of this moment. */
export function currentRange(): TimeRange {
  const query = place.value.query;
  return readRange(query.get("from") ?? "", query.get("to") ?? "", serverNow());
}

/** The same, moving on with time when it ends now. */
export function movingRange(): TimeRange {
  const query = place.value.query;
  const range = readRange(query.get("from") ?? "", query.get("to") ?? "", serverNow());
  return range.isLive ? readRange(query.get("from") ?? "", "now", now.value) : range;
}

export function iso(at: number): string {
  return new Date(Math.round(at / 1000) * 1000).toISOString().replace(".000Z", "Z");
}

/** Parameters for a preset; the default has none. */
export function presetParams(preset: string): { from: string | null; to: null } {
  return { from: preset === DEFAULT_PRESET ? null : `now-${preset}`, to: null };
}

/** Parameters for the span before or after this one, as long as it. */
export function steppedParams(range: TimeRange, way: -1 | 1): { from: string | null; to: string | null } {
  const length = range.to - range.from;
  const to = range.to + way * length;
  if (to >= serverNow()) return { from: `now-${Math.round(length / 60_000)}m`, to: null };
  return { from: iso(to - length), to: iso(to) };
}
