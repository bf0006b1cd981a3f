// One chart without anything around it, for frames on pages that the server allows.
import { useGet, ONCE, useResource } from "../lib/resource";
import { useEffect, useState } from "preact/hooks";
import { me } from "../api/session";
import type { AgentDetail, HistoryColumns } from "../api/schema";
import { Chart } from "../charts/chart";
import { chartData } from "../charts/data";
import { shown } from "../lib/names";
import { currentRange } from "../lib/range";
import { matchPath, param, path } from "../lib/url";
import { texts } from "../texts";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { useAnnotations } from "./annotations";
import { GROUPS, readHistory } from "./charts";

const EVERY_SECONDS = 60;
const HEAD = 40; // pixels of title and margins

export function EmbedPage() {
  const id = matchPath("/embed/agents/:id/chart", path.value)?.id ?? "";
  const t = texts.value;
  if (me.value === undefined) return <Skeleton lines={4} />;
  if (me.value === null) return <Empty title={t.embed.signedOut} />;
  return (
    <main class="embed" id="content">
      {id ? <EmbeddedChart id={id} /> : <Empty title={t.notFound.title} />}
    </main>
  );
}

function EmbeddedChart({ id }: { id: string }) {
  const range = currentRange();
  const group = GROUPS.find((one) => one.key === param("m") || one.metrics.includes(param("m"))) ?? GROUPS[0]!;
  const every = range.isLive ? EVERY_SECONDS : 0;
  const device = useGet<AgentDetail>(`/api/agents/${id}`, {}, ONCE);
  const history = useResource<HistoryColumns>(`${id} ${range.key} ${group.key}`, (signal) => readHistory(id, range, 400, group.metrics.join(","), 0, signal), { keep: true, every, poll: false });
  const annotations = useAnnotations(device.data, range, false);
  const [height, setHeight] = useState(innerHeight - HEAD);
  useEffect(() => {
    const measure = () => setHeight(innerHeight - HEAD);
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, []);
  const error = device.error ?? history.error;
  if (error) return <ErrorBox error={error} retry={history.reload} />;
  if (!device.data || !history.data) return <Skeleton lines={4} />;
  return (
    <Chart
      title={`${texts.value.charts.titles[group.key]} · ${shown(device.data.device_name)}`}
      name={`${device.data.device_name}-${group.key}`}
      lines={group.metrics.map((metric) => ({ metric, label: texts.value.metrics[metric as "cpu_percent"] }))}
      unit={group.unit}
      isBounded={group.isBounded}
      data={chartData(history.data, group.metrics.map((metric) => ({ metric, label: metric })))}
      from={range.from}
      to={range.to}
      annotations={annotations.data}
      patience={3 * history.data.expected_interval_seconds}
      height={Math.max(80, height)}
    />
  );
}
