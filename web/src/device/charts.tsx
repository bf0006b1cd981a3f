// A device's charts: one answer for all, one cursor, one range.
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { call } from "../api/call";
import type { AgentDetail, DeviceAnnotations, HistoryColumns } from "../api/schema";
import { Chart } from "../charts/chart";
import { chartData } from "../charts/data";
import { isNarrow } from "../lib/settings";
import { exactDuration, number } from "../lib/format";
import { iso, movingRange, type TimeRange } from "../lib/range";
import { useResource, type Resource } from "../lib/resource";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { ErrorBox } from "../ui/states";
import { COMPARE, hiddenLayers } from "./range_bar";
import { useTail } from "./tail";

export const GROUPS: Array<{ key: "cpu" | "memory" | "disk" | "network" | "load"; metrics: string[]; unit: string; isBounded: boolean }> = [
  { key: "cpu", metrics: ["cpu_percent"], unit: "percent", isBounded: true },
  { key: "memory", metrics: ["memory_percent"], unit: "percent", isBounded: true },
  { key: "disk", metrics: ["disk_percent"], unit: "percent", isBounded: true },
  { key: "network", metrics: ["network_rx_bytes", "network_tx_bytes"], unit: "bytes/s", isBounded: false },
  { key: "load", metrics: ["load_average_1m"], unit: "processes", isBounded: false },
];

/** The charts of a device; Windows has no load average, which is the last one. */
function groupsOf(device: AgentDetail): typeof GROUPS {
  return device.os_type === "windows" ? GROUPS.slice(0, -1) : GROUPS;
}

const METRICS = GROUPS.flatMap((group) => group.metrics).join(",");
const LIVE_SECONDS = 30; // between reads of a short range that ends now

export function readHistory(id: string, range: TimeRange, points: number, metrics = METRICS, shift = 0, signal?: AbortSignal): Promise<HistoryColumns> {
  const query = {
    metric: metrics,
    format: "columns",
    aggregates: "avg,min,max",
    max_points: points,
    start: iso(range.from - shift * 1000),
    end: range.isLive && !shift ? null : iso(range.to - shift * 1000),
  };
  return call("GET", `/api/agents/${id}/metrics/history`, { query, ...(signal && { signal }) });
}

/** Whether the pointer is in a chart: then nothing moves. */
export const isPaused = signal(false);

export function DeviceCharts({ device, range, annotations }: { device: AgentDetail; range: TimeRange; annotations: DeviceAnnotations | undefined }) {
  const points = isNarrow.value ? 320 : 640;
  const every = range.isLive ? Math.max(LIVE_SECONDS, (range.to - range.from) / 1000 / points) : 0;
  const history = useResource<HistoryColumns>(`history ${device.id} ${range.key} ${points}`, (signal) => readHistory(device.id, range, points, METRICS, 0, signal), { keep: true, every });
  const shift = COMPARE[param("cmp")] ?? 0;
  const compared = useResource<HistoryColumns>(shift ? `compared ${device.id} ${range.key} ${shift}` : null, (signal) => readHistory(device.id, range, points, METRICS, shift, signal), { keep: true });
  const t = texts.value.charts;
  return (
    <section class="charts" aria-label={t.label}>
      {history.error && <ErrorBox error={history.error} retry={history.reload} />}
      <ChartNotes history={history} hasCompared={shift > 0} />
      {device.os_type === "windows" && <p class="chart-notes faint">{t.noLoad}</p>}
      <div class="chart-grid">
        {history.data ? (
          <Drawn device={device} range={range} history={history.data} compared={shift ? compared.data : undefined} shift={shift} annotations={annotations} />
        ) : (
          groupsOf(device).map((group) => (
            <figure class="chart" key={group.key}>
              <figcaption>
                <strong>{t.titles[group.key]}</strong>
              </figcaption>
              <div class="canvas waiting" />
            </figure>
          ))
        )}
      </div>
    </section>
  );
}

function Drawn({ device, range, history, compared, shift, annotations }: { device: AgentDetail; range: TimeRange; history: HistoryColumns; compared: HistoryColumns | undefined; shift: number; annotations: DeviceAnnotations | undefined }) {
  const t = texts.value.charts;
  const tailed = useTail(device.id, range.isLive, history);
  const held = useRef({ from: range.from, to: range.to });
  const moving = range.isLive ? movingRange() : range;
  if (!isPaused.value || !range.isLive || held.current.to > moving.to) held.current = { from: moving.from, to: moving.to };
  const { from, to } = step(held.current, range.isLive);
  const hidden = hiddenLayers();
  const show = useMemo(() => ({ alerts: !hidden.has("alerts"), windows: !hidden.has("windows") }), [param("hide")]);
  const data = useMemo(() => GROUPS.map((group) => chartData(tailed, group.metrics.map((metric) => ({ metric, label: metric })), compared, shift)), [tailed, compared, shift]);
  useEffect(
    () => () => {
      isPaused.value = false;
    },
    [],
  );
  return (
    <>
      {groupsOf(device).map((group, index) => (
        <Chart
          key={group.key}
          title={t.titles[group.key]}
          name={`${device.device_name}-${group.key}`}
          lines={group.metrics.map((metric) => ({ metric, label: texts.value.metrics[metric as "cpu_percent"] }))}
          unit={group.unit}
          data={data[index]!}
          from={from}
          to={to}
          annotations={annotations}
          show={show}
          sync="device"
          isBounded={group.isBounded}
          patience={Math.max(3 * history.expected_interval_seconds, history.bucket_seconds * 1.5)}
          brush={(low, high) => setParams({ from: iso(low), to: iso(high) }, "push")}
          reset={() => setParams({ from: null, to: null }, "push")}
          hover={(inside) => (isPaused.value = inside)}
        />
      ))}
    </>
  );
}

/** A moving range moves on in steps of a two-hundredth of it, so that a long one isn't drawn anew each second. */
function step({ from, to }: { from: number; to: number }, isLive: boolean): { from: number; to: number } {
  if (!isLive) return { from, to };
  const grain = Math.max(1000, (to - from) / 200);
  const end = Math.ceil(to / grain) * grain;
  return { from: end - (to - from), to: end };
}

/** The levels that the points are from, in words, the oldest part of the range first. */
function sourcesOf({ level, segments }: HistoryColumns): string {
  const levels = segments.length ? segments.map((segment) => segment.level) : [level];
  return [...new Set(levels)].map((one) => texts.value.charts.levels[one] ?? one).join(" + ");
}

function ChartNotes({ history, hasCompared }: { history: Resource<HistoryColumns>; hasCompared: boolean }) {
  const t = texts.value.charts;
  const found = history.data;
  if (!found) return <p class="chart-notes faint">{texts.value.loading}</p>;
  return (
    <p class="chart-notes faint">
      <span>
        {found.level === "raw" && !found.bucket_seconds ? t.rawLevel : t.level(sourcesOf(found), exactDuration(found.bucket_seconds))}
      </span>
      {hasCompared && <span class="key compared">{t.compared}</span>}
      {found.warnings.map((warning) => (
        <span key={warning.code} class="word warning">
          {t.warnings[warning.code] ?? warning.message}
        </span>
      ))}
      {found.samples.some((count) => count > 0) ? null : <span class="word warning">{t.nothing}</span>}
      <span class="unseen">{t.points(number(found.timestamps.length))}</span>
    </p>
  );
}
