// When a maintenance window is open within a range: once, or each week at a local time, clock changes included.
import type { Annotations, Window } from "../api/pending";
import { millis } from "../lib/format";
import { iso } from "../lib/range";
import { fromLocal, toLocal } from "../lib/zones";

const DAY_MS = 86_400_000;
const MOST = 400;

export function occurrences(window: Window, from: number, to: number): Annotations["maintenance"] {
  const spans: Array<[number, number]> = [];
  if (window.starts_at && window.ends_at) spans.push([millis(window.starts_at), millis(window.ends_at)]);
  const { time_zone: zone, local_start: start, duration_minutes: minutes } = window;
  if (zone && start && minutes) {
    const length = minutes * 60_000;
    for (let day = from - length - DAY_MS; day < to + DAY_MS && spans.length < MOST; day += DAY_MS) {
      const date = toLocal(day, zone).slice(0, 10);
      const weekday = new Date(`${date}T00:00Z`).getUTCDay() || 7;
      const begin = fromLocal(`${date}T${start}`, zone);
      if (window.weekdays?.includes(weekday)) spans.push([begin, begin + length]);
    }
  }
  return spans.filter(([begin, end]) => end > from && begin < to).map(([begin, end]) => ({ window_id: window.id, window_name: window.window_name, start: iso(begin), end: iso(end) }));
}
