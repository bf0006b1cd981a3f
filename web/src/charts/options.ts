// How uPlot draws one of our charts: lines with min–max band, axes by Intl, one shared cursor, brush without scaling.
import uPlot from "uplot";
import { clock, day, shortTime, withUnit } from "../lib/format";
import { PER_LINE } from "./data";
import type { Palette } from "./palette";

export interface Plan {
  width: number;
  height: number;
  unit: string;
  lines: number;
  zone: string;
  colors: Palette;
  sync: string | null;
  range: () => [number, number]; // seconds
  isBounded: boolean; // 0 to 100
  drawClear: (plot: uPlot) => void;
  draw: (plot: uPlot) => void;
  setCursor: (plot: uPlot) => void;
  brush: (from: number, to: number) => void; // milliseconds
}

export const AXIS_WIDTH = 58;
const SMALLEST_BRUSH = 6; // pixels

export function optionsOf(plan: Plan): uPlot.Options {
  const { colors } = plan;
  const axis = { stroke: colors.text, grid: { stroke: colors.grid, width: 1 }, ticks: { stroke: colors.grid, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
  return {
    width: plan.width,
    height: plan.height,
    padding: [6, 20, 0, 0],
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), plan.zone),
    scales: {
      x: { time: true, range: plan.range },
      y: { range: (_, low, high) => rangeOfValues(low, high, plan) },
    },
    axes: [
      { ...axis, space: 72, size: 26, values: (_, splits) => timeLabels(splits) },
      { ...axis, size: AXIS_WIDTH, space: 34, values: (_, splits) => splits.map((value) => withUnit(value, plan.unit)) },
    ],
    series: [{}, ...Array.from({ length: plan.lines }, (_, line) => seriesOf(line, colors)).flat()],
    bands: Array.from({ length: plan.lines }, (_, line) => ({ series: [line * PER_LINE + 3, line * PER_LINE + 2] as [number, number], fill: colors.band[line] ?? colors.grid })),
    cursor: {
      y: false,
      points: { size: 7, width: 2, show: (plot, index) => ((index - 1) % PER_LINE === 0 ? pointOf(plot) : (undefined as unknown as HTMLElement)) },
      drag: { x: true, y: false, setScale: false },
      ...(plan.sync && { sync: { key: plan.sync, setSeries: false, filters: { pub: (type: string) => type === "mousemove" || type === "mouseleave" } } }),
    },
    hooks: {
      drawClear: [plan.drawClear],
      draw: [plan.draw],
      setCursor: [plan.setCursor],
      setSelect: [(plot) => brushed(plot, plan.brush)],
    },
  };
}

function pointOf(_: uPlot): HTMLElement {
  return document.createElement("div");
}

function seriesOf(line: number, colors: Palette): uPlot.Series[] {
  const edge: uPlot.Series = { stroke: "transparent", width: 0, points: { show: false }, spanGaps: false };
  const color = colors.lines[line] ?? colors.text;
  return [
    { stroke: color, width: 1.6, dash: line ? [6, 3] : [], points: { show: (plot, series, first, last) => isSparse(plot, series, first, last), size: 4 }, spanGaps: false },
    edge,
    edge,
    { stroke: colors.compare, width: 1.2, dash: [2, 3], points: { show: false }, spanGaps: false },
  ];
}

/** Points show only where they are few enough to be distinguished. */
function isSparse(plot: uPlot, _: number, first: number, last: number): boolean {
  return plot.width / Math.max(1, last - first) > 24;
}

function rangeOfValues(low: number, high: number, { isBounded, unit }: Plan): [number, number] {
  if (isBounded) return [0, 100];
  const least = unit.startsWith("bytes") ? 1000 : 1; // parts of a byte would all read "0 B"
  if (low === null || high === null || !Number.isFinite(high)) return [0, least];
  return [0, Math.max(high * 1.1, least)];
}

function timeLabels(splits: number[]): string[] {
  const step = ((splits[1] ?? 0) - (splits[0] ?? 0)) * 1000;
  let before = "";
  return splits.map((seconds) => {
    const at = seconds * 1000;
    const date = day(at);
    if (step >= 300 * 86_400_000) return String(new Date(at + 43_200_000).getUTCFullYear());
    if (step >= 20 * 3_600_000) return date.replace(/,? ?\d{4}$/, "");
    const label = before && date !== before ? shortTime(at).replace(/,? ?\d\d:\d\d.*$/, "") || clock(at) : clock(at, step < 60_000);
    before = date;
    return label;
  });
}

function brushed(plot: uPlot, brush: Plan["brush"]): void {
  const { left, width } = plot.select;
  if (width < SMALLEST_BRUSH) return;
  const from = plot.posToVal(left, "x") * 1000;
  const to = plot.posToVal(left + width, "x") * 1000;
  plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  brush(from, to);
}
