// The disks, interfaces and sensors of a device, each with its newest values, and a chart of the one that is chosen.
import { call } from "../api/call";
import type { HistoryInstances, Series, SeriesLine } from "../api/schema";
import { Chart } from "../charts/chart";
import type { ChartData } from "../charts/data";
import { withUnit } from "../lib/format";
import { currentRange, iso } from "../lib/range";
import { useGet, useResource } from "../lib/resource";
import { param, withParams } from "../lib/url";
import { texts, type Texts } from "../texts";
import { When } from "../ui/controls";
import { Table } from "../ui/list";
import { Empty, Loaded } from "../ui/states";

/** The first part of a metric's name: `disk` of `disk.percent`. */
const groupOf = (metric: string) => metric.split(".")[0] ?? metric;

export function DisksTab({ id }: { id: string }) {
  const list = useGet<{ series: Series[] }>(`/api/agents/${id}/metrics/series`, {}, { every: 60 });
  return (
    <Loaded of={list}>
      {({ series }) => {
        const groups = [...new Set(series.map((one) => groupOf(one.metric)))];
        if (!groups.length) return <Empty title={texts.value.parts.empty} />;
        return (
          <>
            {groups.map((group) => (
              <Group key={group} name={group} series={series.filter((one) => groupOf(one.metric) === group)} />
            ))}
            <Chosen id={id} series={series} />
          </>
        );
      }}
    </Loaded>
  );
}

/** One table of a group: a row for each instance, a column for each metric. */
function Group({ name, series }: { name: string; series: Series[] }) {
  const t = texts.value.parts;
  const title = t.titles[name as keyof Texts["parts"]["titles"]] ?? name;
  const metrics = [...new Set(series.map((one) => one.metric))];
  const instances = [...new Set(series.map((one) => one.instance))];
  const find = (instance: string, metric: string) => series.find((one) => one.instance === instance && one.metric === metric);
  return (
    <section>
      <h3>{title}</h3>
      <Table
        label={title}
        rows={instances}
        keyOf={(instance) => instance}
        heads={[
          { title: t.instance, cell: (instance) => <bdi>{instance}</bdi> },
          ...metrics.map((metric) => ({ title: metric.slice(name.length + 1).replaceAll("_", " ") || metric, cell: (instance: string) => <Value one={find(instance, metric)} /> })),
          { title: t.asOf, cell: (instance) => <When time={find(instance, metrics[0] ?? "")?.collected_at} /> },
        ]}
      />
    </section>
  );
}

function Value({ one }: { one: Series | undefined }) {
  if (!one) return <span class="faint">–</span>;
  const words = one.kind === "counter" ? texts.value.parts.chart : withUnit(one.value, one.unit);
  return (
    <a href={withParams({ metric: one.metric, instance: one.instance })} class={one.gone_at ? "faint" : ""}>
      {one.gone_at ? texts.value.parts.gone : words}
    </a>
  );
}

function Chosen({ id, series }: { id: string; series: Series[] }) {
  const one = series.find((found) => found.metric === param("metric") && found.instance === param("instance"));
  const range = currentRange();
  const query = { metric: one?.metric, instance: one?.instance, format: "columns", aggregates: "avg,min,max", max_points: 640, start: iso(range.from), end: range.isLive ? null : iso(range.to) };
  const key = one ? `${id} ${one.metric} ${one.instance} ${range.key}` : null;
  const history = useResource<HistoryInstances>(key, (signal) => call("GET", `/api/agents/${id}/metrics/history`, { query, signal }), { every: range.isLive ? 60 : 0 });
  const line = history.data?.instances[0];
  if (!one) return null;
  return (
    <Loaded of={history}>
      {(found) =>
        line ? (
          <Chart
            title={`${one.instance} · ${one.metric}`}
            name={`${one.instance}-${one.metric}`}
            lines={[{ metric: one.metric, label: one.metric }]}
            unit={line.unit}
            isBounded={line.unit === "percent"}
            data={dataOf(line, found.bucket_seconds)}
            from={range.from}
            to={range.to}
            patience={3 * found.expected_interval_seconds}
          />
        ) : (
          <Empty title={texts.value.charts.nothing} />
        )
      }
    </Loaded>
  );
}

function dataOf(line: SeriesLine, width: number): ChartData {
  const avg = line.avg ?? [];
  return { times: line.timestamps ?? [], values: [avg, line.min ?? avg, line.max ?? avg, []], coverage: line.coverage ?? [], width };
}
