// A chart as a table: for those who don't see the canvas, for print, and what CSV holds.
import { fullTime, withUnit } from "../lib/format";
import { saveCsv } from "../lib/csv";
import { texts } from "../texts";
import { Icon } from "../ui/icons";
import type { ChartProps } from "./chart";
import { PER_LINE } from "./data";
import { gapAt, type Gap } from "./gaps";

const MOST_ROWS = 500;

export function ChartTable({ gaps, most = MOST_ROWS, ...props }: ChartProps & { gaps: Gap[]; most?: number }) {
  const t = texts.value.charts;
  const inside = props.data.times.flatMap((time, index) => (time * 1000 >= props.from - props.data.width * 1000 && time * 1000 <= props.to ? [index] : []));
  const every = Math.max(1, Math.ceil(inside.length / most));
  const rows = inside.filter((_, place) => place % every === 0);
  return (
    <div class="chart-table" tabIndex={0} role="region" aria-label={props.title}>
      <table>
        <caption class="unseen">{props.title}</caption>
        <thead>
          <tr>
            <th scope="col">{t.time}</th>
            {props.lines.map((line) => (
              <th scope="col" key={line.metric} class="number">
                {line.label} ({t.average})
              </th>
            ))}
            <th scope="col" class="number">
              {t.lowHigh}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((index) => (
            <tr key={index}>
              <th scope="row">{fullTime((props.data.times[index] ?? 0) * 1000)}</th>
              {props.lines.map((line, place) => {
                const value = props.data.values[place * PER_LINE]?.[index];
                const gap = value === null || value === undefined ? gapAt(gaps, (props.data.times[index] ?? 0) * 1000) : undefined;
                return (
                  <td key={line.metric} class="number">
                    {gap ? <em title={gap.sentence}>{gap.word}</em> : withUnit(value, props.unit)}
                  </td>
                );
              })}
              <td class="number">
                {withUnit(props.data.values[1]?.[index], props.unit)} – {withUnit(props.data.values[2]?.[index], props.unit)}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <button type="button" class="small no-print" onClick={() => saveChart(props)}>
        <Icon name="download" size={13} /> CSV
      </button>
    </div>
  );
}

/** Save a chart's values: times in UTC, average, lowest and highest of each line. */
export function saveChart(props: ChartProps): void {
  const head = ["time_utc", ...props.lines.flatMap((line) => [`${line.metric}_avg`, `${line.metric}_min`, `${line.metric}_max`]), "coverage"];
  const rows = props.data.times.map((time, index) => [
    new Date(time * 1000).toISOString(),
    ...props.lines.flatMap((_, place) => [0, 1, 2].map((one) => props.data.values[place * PER_LINE + one]?.[index] ?? null)),
    props.data.coverage[index] ?? null,
  ]);
  saveCsv(props.name, head, rows);
}
