// A history answer as a chart takes it: times and one array for each line, min, max and the compared one.
import type { HistoryColumns } from "../api/schema";

export interface Line {
  metric: string;
  label: string;
}

export interface ChartData {
  times: number[]; // Unix seconds
  values: Array<Array<number | null>>; // for each line: avg, min, max, compared
  coverage: number[];
  width: number; // seconds of a bucket; 0: raw samples
}

export const PER_LINE = 4;
const NOTHING: Array<number | null> = [];

export function chartData(history: HistoryColumns, lines: Line[], compared?: HistoryColumns, shift = 0): ChartData {
  const values: ChartData["values"] = [];
  for (const { metric } of lines) {
    const series = history.series[metric] ?? {};
    const avg = series.avg ?? NOTHING;
    values.push(avg, series.min ?? avg, series.max ?? avg);
    values.push(compared ? aligned(history, compared, metric, shift) : NOTHING);
  }
  return { times: history.timestamps, values, coverage: history.coverage, width: history.bucket_seconds };
}

/** The compared range's values at this range's times: the nearest within one and a half buckets. */
function aligned(history: HistoryColumns, compared: HistoryColumns, metric: string, shift: number): Array<number | null> {
  const found = compared.series[metric]?.avg ?? [];
  const reach = 1.5 * Math.max(history.bucket_seconds, compared.bucket_seconds, history.expected_interval_seconds);
  let place = 0;
  return history.timestamps.map((time) => {
    const wanted = time - shift;
    const distance = (index: number) => Math.abs((compared.timestamps[index] ?? Infinity) - wanted);
    while (place + 1 < compared.timestamps.length && distance(place + 1) <= distance(place)) place++;
    return distance(place) <= reach ? (found[place] ?? null) : null;
  });
}

/** Spans without values, as pairs of times in milliseconds; between raw samples, after more than `patience` seconds. */
export function emptySpans(data: ChartData, from: number, to: number, patience: number): Array<[number, number]> {
  const spans: Array<[number, number]> = [];
  const first = data.values[0] ?? NOTHING;
  const reach = data.width || patience;
  let since = from / 1000;
  for (const [index, time] of data.times.entries()) {
    if (first[index] === null || first[index] === undefined) continue;
    if (time - since > Math.max(reach * 1.01, data.width ? 0 : patience)) spans.push([since * 1000, time * 1000]);
    since = time + (data.width || 0);
  }
  const end = to / 1000;
  if (end - since > Math.max(reach, patience)) spans.push([since * 1000, to]);
  return spans;
}
