// The disks, interfaces and sensors of a device, each with its newest values, and a chart of the one that is chosen.
import { call } from "../api/call";
import type { HistoryInstances, Series, SeriesLine } from "../api/schema";
import { Chart } from "../charts/chart";
import type { ChartData } from "../charts/data";
import { withUnit } from "../lib/format";
import { groupOf, metricName, partName } from "../lib/measures";
import { currentRange, iso } from "../lib/range";
import { useGet, useResource } from "../lib/resource";
import { param, setParams, withParams } from "../lib/url";
import { texts, type Texts } from "../texts";
import { When } from "../ui/controls";
import { Table } from "../ui/list";
import { Name } from "../ui/name";
import { Empty, Loaded } from "../ui/states";

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
          { title: t.instance, cell: (instance) => <Name of={instance} /> },
          ...metrics.map((metric) => ({ title: partName(metric), cell: (instance: string) => <Value one={find(instance, metric)} /> })),
          { title: t.asOf, cell: (instance) => <When time={find(instance, metrics[0] ?? "")?.collected_at} /> },
        ]}
      />
      {instances.length > 1 && (
        <p class="all-instances">
          {t.all}{" "}
          {metrics.map((metric) => (
            <a key={metric} href={withParams({ metric, instance: null, without: null })}>
              {partName(metric)}
            </a>
          ))}
        </p>
      )}
    </section>
  );
}

function Value({ one }: { one: Series | undefined }) {
  if (!one) return <span class="faint">–</span>;
  const words = one.kind === "counter" ? texts.value.parts.chart : withUnit(one.value, one.unit);
  return (
    <a href={withParams({ metric: one.metric, instance: one.instance, without: null })} class={one.gone_at ? "faint" : ""}>
      {one.gone_at ? texts.value.parts.gone : words}
    </a>
  );
}

/** A chart of the instance that is chosen, or one of each instance of the metric. */
function Chosen({ id, series }: { id: string; series: Series[] }) {
  const metric = param("metric");
  const instance = param("instance");
  const known = series.some((found) => found.metric === metric && (!instance || found.instance === instance));
  const hidden = new Set(hiddenNames());
  const range = currentRange();
  const query = { metric, instance, format: "columns", aggregates: "avg,min,max", max_points: instance ? 640 : 320, start: iso(range.from), end: range.isLive ? null : iso(range.to) };
  const key = known ? `${id} ${metric} ${instance} ${range.key}` : null;
  const history = useResource<HistoryInstances>(key, (signal) => call("GET", `/api/agents/${id}/metrics/history`, { query, signal }), { every: range.isLive ? 60 : 0 });
  if (!known) return null;
  return (
    <Loaded of={history}>
      {(found) =>
        found.instances.length ? (
          <section aria-label={texts.value.parts.chartsOf(metricName(metric))}>
            {!instance && found.instances.length > 1 && <InstanceChoice names={found.instances.map((line) => line.instance)} hidden={hidden} />}
            <div class={instance ? "" : "chart-grid"}>
              {found.instances.filter((line) => instance || !hidden.has(line.instance)).map((line) => <InstanceChart key={line.instance} line={line} found={found} from={range.from} to={range.to} />)}
            </div>
          </section>
        ) : (
          <Empty title={texts.value.charts.nothing} />
        )
      }
    </Loaded>
  );
}

/** Names of instances that were unticked, from the address. */
function hiddenNames(): string[] {
  return param("without").split(",").filter(Boolean).map(decodeURIComponent);
}

function InstanceChoice({ names, hidden }: { names: string[]; hidden: Set<string> }) {
  const change = (name: string, isShown: boolean) => {
    const left = isShown ? [...hidden].filter((one) => one !== name) : [...hidden, name];
    setParams({ without: left.map(encodeURIComponent).join(",") || null });
  };
  return (
    <fieldset class="days">
      <legend>{texts.value.parts.shown}</legend>
      {names.map((name) => (
        <label class="check" key={name}>
          <input type="checkbox" checked={!hidden.has(name)} onChange={(event) => change(name, event.currentTarget.checked)} />
          <span>
            <Name of={name} />
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function InstanceChart({ line, found, from, to }: { line: SeriesLine; found: HistoryInstances; from: number; to: number }) {
  const title = `${line.instance} · ${metricName(line.metric)}`;
  return (
    <Chart
      title={title}
      name={`${line.instance}-${line.metric}`}
      lines={[{ metric: line.metric, label: partName(line.metric) }]}
      unit={line.unit}
      isBounded={line.unit === "percent"}
      data={dataOf(line, found.bucket_seconds)}
      from={from}
      to={to}
      patience={3 * found.expected_interval_seconds}
    />
  );
}

function dataOf(line: SeriesLine, width: number): ChartData {
  const avg = line.avg ?? [];
  return { times: line.timestamps ?? [], values: [avg, line.min ?? avg, line.max ?? avg, []], coverage: line.coverage ?? [], width };
}
