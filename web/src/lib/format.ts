// Numbers, sizes, dates and ages in the person's language and the page's time zone, by Intl only.
import { computed } from "@preact/signals";
import { locale, texts } from "../texts";
import { now } from "./clock";
import { param } from "./url";

/** The zone in which times show: the URL's `tz`, else the browser's. */
export const zone = computed(() => {
  const asked = param("tz");
  const name = asked.toLowerCase() === "utc" ? "UTC" : asked;
  return name && isZone(name) ? name : browserZone;
});
export const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export function isZone(name: string): boolean {
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

const made = new Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>();

function keep<T extends Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>(key: string, make: () => T): T {
  let found = made.get(key) as T | undefined;
  if (!found) made.set(key, (found = make()));
  return found;
}

export function number(value: number, digits = 0): string {
  const key = `n${locale.value}${digits}`;
  return keep(key, () => new Intl.NumberFormat(locale.value, { maximumFractionDigits: digits })).format(value);
}

export function percent(value: number | null | undefined, digits = 0): string {
  return value === null || value === undefined ? "–" : `${number(value, digits)} %`;
}

const STEPS = ["B", "kB", "MB", "GB", "TB", "PB"];

/** Bytes in powers of ten, as the API counts gigabytes. */
export function bytes(value: number | null | undefined, suffix = ""): string {
  if (value === null || value === undefined) return "–";
  const step = Math.min(STEPS.length - 1, STEPS.findIndex((_, index) => Math.abs(value) < 999.5 * 1000 ** index || index === STEPS.length - 1));
  const scaled = value / 1000 ** step;
  return `${number(scaled, scaled < 10 && step > 0 ? 1 : 0)} ${STEPS[step]}${suffix}`;
}

/** A metric's value with its unit as the API names it. */
export function withUnit(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined) return "–";
  if (unit === "percent") return percent(value, 1);
  if (unit === "bytes/s") return bytes(value, "/s");
  if (unit === "bytes") return bytes(value);
  if (unit === "gigabytes") return bytes(value * 1e9);
  if (unit === "seconds") return duration(value);
  const symbol = SYMBOLS[unit];
  return symbol ? `${number(value, 2)} ${symbol}` : number(value, 2);
}

// Signs of units; a number without one is a count, which the metric's name explains, or a customer's own.
const SYMBOLS: Record<string, string> = { celsius: "°C", rpm: "rpm", milliseconds: "ms", "milliseconds/s": "ms/s", "packets/s": "/s" };

function dates(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const timeZone = zone.value;
  const key = `d${locale.value}${timeZone}${JSON.stringify(options)}`;
  return keep(key, () => new Intl.DateTimeFormat(locale.value, { timeZone, hourCycle: "h23", ...options }));
}

export type Time = string | number | Date | null | undefined;

export function millis(time: Time): number {
  if (typeof time === "number") return time;
  return time ? new Date(time).getTime() : NaN;
}

/** `14:05` today, `3 May 14:05` this year, with the year before that. */
export function shortTime(time: Time): string {
  const at = millis(time);
  if (Number.isNaN(at)) return "–";
  if (day(at) === day(now.peek())) return clock(at);
  const year = dates({ year: "numeric" });
  const far = year.format(at) !== year.format(now.peek());
  return dates({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", ...(far && { year: "numeric" }) }).format(at);
}

export function clock(time: Time, seconds = false): string {
  return dates({ hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }) }).format(millis(time));
}

export function day(time: Time): string {
  return dates({ day: "numeric", month: "short", year: "numeric" }).format(millis(time));
}

/** A full time with its zone, for tooltips. */
export function fullTime(time: Time): string {
  const at = millis(time);
  if (Number.isNaN(at)) return "–";
  const options = { weekday: "short", day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" } as const;
  return dates({ ...options, timeZoneName: "short" }).format(at);
}

/** `12 s`, `3 min`, `5 h 10 min`, `4 d`. */
export function duration(seconds: number): string {
  const u = texts.value.units;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 90) return `${whole} ${u.s}`;
  if (whole < 5400) return `${Math.round(whole / 60)} ${u.min}`;
  if (whole < 36 * 3600) {
    const hours = Math.floor(whole / 3600);
    const minutes = Math.round((whole % 3600) / 60);
    return minutes && minutes < 60 ? `${hours} ${u.h} ${minutes} ${u.min}` : `${minutes === 60 ? hours + 1 : hours} ${u.h}`;
  }
  if (whole < 800 * 86_400) return `${Math.round(whole / 86_400)} ${u.d}`;
  return `${number(whole / (365.25 * 86_400), 1)} ${u.y}`;
}

const UNITS = [[365 * 86_400, "y"], [86_400, "d"], [3600, "h"]] as const;

/** A span that somebody chose, by the largest unit of which it is a whole number: `1 h`, `90 d`, `2 y`; others as durations. */
export function exactDuration(seconds: number): string {
  const [size, unit] = UNITS.find(([one]) => seconds >= one && seconds % one === 0) ?? [0, "s"];
  return size ? `${number(seconds / size)} ${texts.value.units[unit]}` : duration(seconds);
}

/** How long ago a time was, by the server's clock; it counts on by itself. */
export function ago(time: Time): string {
  const at = millis(time);
  if (Number.isNaN(at)) return texts.value.never;
  const seconds = (now.value - at) / 1000;
  return seconds < 0 && seconds > -120 ? texts.value.justNow : seconds < 0 ? texts.value.inTime(duration(-seconds)) : texts.value.ago(duration(seconds));
}

/** Whole days, hours or minutes of a span for a tooltip: `02:10 – 03:05 (55 min)`. */
export function span(start: Time, end: Time): string {
  const from = millis(start);
  const to = millis(end);
  return `${shortTime(from)} – ${day(from) === day(to) ? clock(to) : shortTime(to)} (${duration((to - from) / 1000)})`;
}

/** The short name of a day of the week; 1 is Monday. */
export function weekday(number: number): string {
  return new Intl.DateTimeFormat(locale.value, { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, number));
}
