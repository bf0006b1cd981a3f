// Local times of any zone, as `<input type=datetime-local>` has them, to instants and back; clock changes included.

const made = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  let found = made.get(zone);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", { timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
    made.set(zone, found);
  }
  return found;
}

function wallClock(at: number, zone: string): number {
  const parts = Object.fromEntries(formatOf(zone).formatToParts(at).map((part) => [part.type, Number(part.value)]));
  return Date.UTC(parts.year!, parts.month! - 1, parts.day!, parts.hour!, parts.minute!, parts.second!);
}

/** Return an instant as `2026-05-03T14:05` in a zone. */
export function toLocal(at: number, zone: string): string {
  return new Date(wallClock(at, zone)).toISOString().slice(0, 16);
}

/** Return the instant of a local time in a zone (the earlier of two in autumn); NaN when it can't be read. */
export function fromLocal(text: string, zone: string): number {
  const wall = Date.parse(`${text}Z`);
  if (Number.isNaN(wall)) return NaN;
  const DAY = 86_400_000;
  const offsets = [wall - DAY, wall + DAY].map((at) => wallClock(at, zone) - Math.floor(at / 1000) * 1000);
  const fits = offsets.map((offset) => wall - offset).filter((at) => wallClock(at, zone) === wall);
  return fits.length ? Math.min(...fits) : wall - offsets[0]!;
}
