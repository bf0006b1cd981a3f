// Metrics by the names that people know, and their units. Customers' own metrics (`custom.*`) keep their own names.
import { texts } from "../texts";

/** The first part of a metric's name: `disk` of `disk.percent`. */
export const groupOf = (metric: string) => metric.split(".")[0] ?? metric;

/** The name of a metric within its group, as a heading: `Received` of `network.rx_bytes`. */
export function partName(metric: string): string {
  const name = texts.value.partMetrics[metric] ?? metric.slice(groupOf(metric).length + 1).replaceAll("_", " ");
  return name.charAt(0).toUpperCase() + name.slice(1);
}

/** The name of any metric: `CPU`, `Disk: used share`. */
export function metricName(metric: string): string {
  const column = texts.value.metrics[metric as "cpu_percent"];
  const group = texts.value.partGroups[groupOf(metric)];
  const part = texts.value.partMetrics[metric];
  return column ?? (group && part ? `${group}: ${part}` : metric);
}

// The unit of a metric, by how its name ends; the first that fits.
const UNITS: Array<[RegExp, string]> = [
  [/percent$/, "percent"],
  [/_gb$/, "gigabytes"],
  [/celsius$/, "celsius"],
  [/rpm$/, "rpm"],
  [/milliseconds$/, "milliseconds"],
  [/seconds(_left)?$/, "seconds"],
  [/\.(read|write|rx|tx|in|out)_bytes$/, "bytes/s"],
  [/bytes$/, "bytes"],
  [/_ms$/, "milliseconds/s"],
  [/_(errors|drops)$/, "packets/s"],
];

/** The unit of a metric in rules and alerts, as the API names it; "" where it has none or is a customer's own. */
export const unitOf = (metric: string) => (metric.startsWith("custom") ? "" : (UNITS.find(([end]) => end.test(metric))?.[1] ?? ""));

const SIGNS: Record<string, string> = { percent: "%", gigabytes: "GB", celsius: "°C", rpm: "rpm", milliseconds: "ms", seconds: "s", bytes: "B", "bytes/s": "B/s", "milliseconds/s": "ms/s", "packets/s": "/s" };

/** A metric with the unit in which a rule compares it: `CPU (%)`. */
export function metricWithUnit(metric: string): string {
  const sign = SIGNS[unitOf(metric)];
  return sign ? `${metricName(metric)} (${sign})` : metricName(metric);
}
