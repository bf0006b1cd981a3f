// Draws behind the lines of a chart: gaps with their reason, windows, alerts, thresholds, hollow buckets.
import type { DeviceAnnotations } from "../api/schema";
import type uPlot from "uplot";
import { millis } from "../lib/format";
import { PER_LINE, type ChartData } from "./data";
import type { Gap } from "./gaps";
import type { Palette } from "./palette";

export interface Marks {
  gaps: Gap[];
  annotations: DeviceAnnotations | undefined;
  show: { alerts: boolean; windows: boolean };
  metrics: string[];
  data: ChartData;
}

const FULL_COVERAGE = 0.8;
const HOLLOW_MOST = 400; // points; more than that say nothing any more

/** Draw what lies behind the lines. */
export function paintBehind(plot: uPlot, marks: Marks, colors: Palette): void {
  const { ctx, bbox } = plot;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  for (const gap of marks.gaps) area(plot, gap.from, gap.to, colors.gap, true);
  if (marks.show.windows) for (const window of marks.annotations?.maintenance ?? []) area(plot, millis(window.start), millis(window.end), colors.window, true);
  if (marks.show.alerts) for (const alert of marks.annotations?.alerts ?? []) if (alert.metrics.some((metric) => marks.metrics.includes(metric))) paintAlert(plot, alert, colors);
  ctx.restore();
}

function positions(plot: uPlot, from: number, to: number): [number, number] {
  const { left, width } = plot.bbox;
  const clamp = (x: number) => Math.min(left + width, Math.max(left, x));
  return [clamp(plot.valToPos(from / 1000, "x", true)), clamp(plot.valToPos(to / 1000, "x", true))];
}

function area(plot: uPlot, from: number, to: number, color: string, hatched: boolean): void {
  const { ctx, bbox } = plot;
  const [left, right] = positions(plot, from, to);
  if (right - left < 0.5) return;
  ctx.fillStyle = hatched ? (hatch(ctx, color) ?? color) : color;
  ctx.fillRect(left, bbox.top, right - left, bbox.height);
}

const hatches = new Map<string, CanvasPattern | null>();

function hatch(ctx: CanvasRenderingContext2D, color: string): CanvasPattern | null {
  const known = hatches.get(color);
  if (known !== undefined) return known;
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  if (pen) {
    pen.strokeStyle = color;
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(-2, 10);
    pen.lineTo(10, -2);
    pen.moveTo(-2, 2);
    pen.lineTo(2, -2);
    pen.moveTo(6, 10);
    pen.lineTo(10, 6);
    pen.stroke();
  }
  const made = ctx.createPattern(tile, "repeat");
  hatches.set(color, made);
  return made;
}

/** Write the reason of each gap over the grid. */
export function paintReasons(plot: uPlot, gaps: Gap[], colors: Palette): void {
  plot.ctx.save();
  for (const gap of gaps) paintReason(plot, gap, colors);
  plot.ctx.restore();
}

function paintReason(plot: uPlot, gap: Gap, colors: Palette): void {
  const { ctx, bbox } = plot;
  const [left, right] = positions(plot, gap.from, gap.to);
  ctx.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
  const width = ctx.measureText(gap.word).width;
  if (right - left < width + 16 * devicePixelRatio) return;
  const middle = (left + right) / 2;
  const line = bbox.top + bbox.height / 2;
  const pad = 4 * devicePixelRatio;
  ctx.fillStyle = colors.surface;
  ctx.fillRect(middle - width / 2 - pad, line - 9 * devicePixelRatio, width + 2 * pad, 18 * devicePixelRatio);
  ctx.fillStyle = colors.text;
  ctx.textAlign = "center";
  ctx.textBaseline = "middle";
  ctx.fillText(gap.word, middle, line);
}

function paintAlert(plot: uPlot, alert: DeviceAnnotations["alerts"][number], colors: Palette): void {
  const { ctx, bbox } = plot;
  const from = millis(alert.start);
  const to = alert.end ? millis(alert.end) : (plot.scales.x?.max ?? 0) * 1000;
  area(plot, from, to, colors.tint[alert.severity], false);
  const [left, right] = positions(plot, from, to);
  if (right <= left) return;
  ctx.strokeStyle = colors.alert[alert.severity];
  ctx.lineWidth = 1.5 * devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(left, bbox.top);
  ctx.lineTo(left, bbox.top + bbox.height);
  ctx.stroke();
  if (alert.threshold === null || alert.rule_kind !== "metric") return; // a forecast's threshold is in days, a combined rule has several
  const y = plot.valToPos(alert.threshold, "y", true);
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(right, y);
  ctx.stroke();
  ctx.setLineDash([]);
}

/** Draw hollow points where a bucket holds too few samples to stand for its span. */
export function paintHollow(plot: uPlot, data: ChartData, colors: Palette): void {
  if (!data.width) return;
  const thin = data.coverage.flatMap((share, index) => (share > 0 && share < FULL_COVERAGE ? [index] : []));
  if (thin.length > HOLLOW_MOST) return;
  const { ctx } = plot;
  ctx.save();
  ctx.lineWidth = 1.2 * devicePixelRatio;
  ctx.fillStyle = colors.surface;
  for (let line = 0; line * PER_LINE < data.values.length; line++) {
    ctx.strokeStyle = colors.lines[line] ?? colors.text;
    for (const index of thin) {
      const value = data.values[line * PER_LINE]?.[index];
      if (value === null || value === undefined) continue;
      ctx.beginPath();
      ctx.arc(plot.valToPos(data.times[index]!, "x", true), plot.valToPos(value, "y", true), 2.4 * devicePixelRatio, 0, 7);
      ctx.fill();
      ctx.stroke();
    }
  }
  ctx.restore();
}
