// One chart: a canvas by uPlot, a line of values in words, keys, a table in its place on request.
import type { DeviceAnnotations } from "../api/schema";
import { useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { fullTime, shortTime, withUnit, zone } from "../lib/format";
import { isDark } from "../lib/settings";
import { chosen, texts } from "../texts";
import { Icon } from "../ui/icons";
import { emptySpans, PER_LINE, type ChartData, type Line } from "./data";
import { explain, gapAt, type Gap } from "./gaps";
import { optionsOf } from "./options";
import { paintBehind, paintHollow, paintReasons, type Marks } from "./paint";
import { palette } from "./palette";
import { savePng } from "./png";
import { ChartTable } from "./table";

export interface ChartProps {
  title: string;
  lines: Line[];
  unit: string;
  data: ChartData;
  from: number; // milliseconds
  to: number;
  annotations?: DeviceAnnotations | undefined;
  show?: Marks["show"];
  sync?: string;
  isBounded?: boolean;
  note?: string; // why this device has no such metric
  patience: number; // seconds without a sample from which on there is a gap
  brush?: (from: number, to: number) => void;
  reset?: () => void;
  hover?: (inside: boolean) => void;
  height?: number;
  name: string; // of files
  thresholds?: number[];
}

const ALL = { alerts: true, windows: true };

export function Chart(props: ChartProps) {
  const [asTable, setTable] = useState(false);
  const readout = useSignal("");
  const spoken = useSignal("");
  const t = texts.value.charts;
  const gaps = explain(emptySpans(props.data, props.from, props.to, props.patience), props.annotations);
  return (
    <figure class="chart" aria-label={`${props.title}. ${t.keys}`} role="figure">
      <figcaption>
        <strong>{props.title}</strong>
        <Legend {...props} />
        <span class="readout" aria-hidden="true">
          {readout.value || latest(props)}
        </span>
        <span class="chart-tools">
          <button type="button" class="plain icon-only" aria-pressed={asTable} aria-label={t.table(props.title)} title={t.table(props.title)} onClick={() => setTable(!asTable)}>
            <Icon name="table" size={14} />
          </button>
          <button type="button" class="plain icon-only" aria-label={t.png(props.title)} title={t.png(props.title)} onClick={(event) => savePng(event.currentTarget.closest("figure"), props)}>
            <Icon name="image" size={14} />
          </button>
        </span>
      </figcaption>
      {props.note ? <p class="chart-note">{props.note}</p> : asTable ? <ChartTable {...props} gaps={gaps} /> : <Canvas {...props} gaps={gaps} say={(words) => (readout.value = words)} speak={(words) => (spoken.value = words)} />}
      <p class="unseen" aria-live="polite">
        {spoken.value}
      </p>
      <div class="print-only">
        <ChartTable {...props} gaps={gaps} most={48} />
      </div>
    </figure>
  );
}

function Legend({ lines }: ChartProps) {
  if (lines.length < 2) return null;
  return (
    <span class="legend">
      {lines.map((line, index) => (
        <span key={line.metric} class={`key key-${index}`}>
          <svg width="18" height="8" aria-hidden="true">
            <line x1="0" y1="4" x2="18" y2="4" />
          </svg>
          {line.label}
        </span>
      ))}
    </span>
  );
}

function latest({ data, unit, lines }: ChartProps): string {
  return lines
    .map((line, index) => {
      const values = data.values[index * PER_LINE] ?? [];
      const value = values.findLast((one) => one !== null && one !== undefined);
      return value === undefined ? "" : `${lines.length > 1 ? `${line.label} ` : ""}${withUnit(value, unit)}`;
    })
    .filter(Boolean)
    .join(" · ");
}

/** The content of a chart at one place: time, values, or why there are none. */
export function wordsAt({ data, lines, unit }: ChartProps, gaps: Gap[], index: number, timeOf = fullTime): string {
  const at = (data.times[index] ?? 0) * 1000;
  const parts = lines.flatMap((line, place) => {
    const [avg, low, high] = [0, 1, 2].map((one) => data.values[place * PER_LINE + one]?.[index]);
    if (avg === null || avg === undefined) return [];
    const band = low !== null && low !== undefined && high !== null && high !== undefined && high - low > 0.05 ? ` (${withUnit(low, unit)} – ${withUnit(high, unit)})` : "";
    return `${lines.length > 1 ? `${line.label} ` : ""}${withUnit(avg, unit)}${band}`;
  });
  const share = data.coverage[index] ?? 1;
  if (parts.length && data.width && share < 0.8) parts.push(texts.value.charts.covered(Math.round(share * 100)));
  return `${timeOf(at)} · ${parts.length ? parts.join(" · ") : (gapAt(gaps, at)?.sentence ?? texts.value.gaps.unknown)}`;
}

interface CanvasProps extends ChartProps {
  gaps: Gap[];
  say: (words: string) => void;
  speak: (words: string) => void;
}

function Canvas(props: CanvasProps) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const given = useRef(props);
  given.current = props;
  const speakTimer = useRef(0);
  const dark = isDark();
  const colors = palette(dark);
  const marks = (): Marks => ({ gaps: given.current.gaps, annotations: given.current.annotations, show: given.current.show ?? ALL, metrics: given.current.lines.map((line) => line.metric), data: given.current.data });
  useLayoutEffect(() => {
    const element = box.current!;
    const made = new uPlot(
      optionsOf({
        width: element.clientWidth || 300,
        height: props.height ?? element.clientHeight,
        unit: props.unit,
        lines: props.lines.length,
        zone: zone.peek(),
        colors,
        sync: props.sync ?? null,
        range: () => [given.current.from / 1000, given.current.to / 1000],
        isBounded: props.isBounded ?? false,
        drawClear: (self) => paintBehind(self, marks(), colors),
        draw: (self) => {
          paintReasons(self, given.current.gaps, colors);
          paintHollow(self, given.current.data, colors);
          paintThresholds(self, given.current.thresholds ?? [], colors.alert.critical);
        },
        setCursor: (self) => {
          const index = self.cursor.idx;
          given.current.say(index === null || index === undefined || (self.cursor.left ?? -1) < 0 ? "" : wordsAt(given.current, given.current.gaps, index, given.current.lines.length > 1 ? shortTime : fullTime));
        },
        brush: (from, to) => given.current.brush?.(from, to),
      }),
      [props.data.times, ...props.data.values] as uPlot.AlignedData,
      element,
    );
    plot.current = made;
    const watcher = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height: props.height ?? element.clientHeight }));
    watcher.observe(element);
    return () => {
      watcher.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [zone.value, chosen.value, dark, props.lines.length, props.unit, props.isBounded]);
  useEffect(() => {
    plot.current?.setData([props.data.times, ...props.data.values] as uPlot.AlignedData, true);
  }, [props.data]);
  useEffect(() => {
    plot.current?.setScale("x", { min: props.from / 1000, max: props.to / 1000 });
  }, [props.from, props.to]);
  useEffect(() => {
    plot.current?.redraw(false);
  }, [props.annotations, props.show?.alerts, props.show?.windows, props.thresholds?.join()]);
  return (
    <div
      ref={box}
      class="canvas"
      tabIndex={0}
      role="application"
      aria-label={`${props.title}. ${texts.value.charts.keys}`}
      onKeyDown={(event) => moveCursor(event, plot.current, given.current, speakTimer)}
      onDblClick={() => props.reset?.()}
      onPointerEnter={() => props.hover?.(true)}
      onPointerLeave={() => props.hover?.(false)}
      onBlur={() => plot.current?.setCursor({ left: -10, top: -10 })}
    />
  );
}

function paintThresholds(self: uPlot, thresholds: number[], color: string): void {
  const { ctx, bbox } = self;
  ctx.save();
  ctx.strokeStyle = color;
  ctx.lineWidth = devicePixelRatio * 1.5;
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  for (const threshold of thresholds) {
    const y = self.valToPos(threshold, "y", true);
    ctx.beginPath();
    ctx.moveTo(bbox.left, y);
    ctx.lineTo(bbox.left + bbox.width, y);
    ctx.stroke();
  }
  ctx.restore();
}

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -Infinity, End: Infinity };

function moveCursor(event: KeyboardEvent, plot: uPlot | null, props: CanvasProps, timer: { current: number }): void {
  const step = STEPS[event.key];
  const last = props.data.times.length - 1;
  if (!plot || step === undefined || last < 0) return;
  event.preventDefault();
  const at = plot.cursor.idx ?? last;
  const index = Math.min(last, Math.max(0, step === -Infinity ? 0 : step === Infinity ? last : at + step));
  plot.setCursor({ left: plot.valToPos(props.data.times[index]!, "x"), top: 10 });
  clearTimeout(timer.current);
  timer.current = window.setTimeout(() => props.speak(wordsAt(props, props.gaps, index)), 250);
}
