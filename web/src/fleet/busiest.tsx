// The devices with the highest newest values: what to look at next while nothing burns. For fleets that one answer holds.
import type { DeviceColumns } from "../api/pending";
import { percent } from "../lib/format";
import { useGet } from "../lib/resource";
import { texts } from "../texts";
import { levelOf, Meter } from "../ui/meter";
import { Name } from "../ui/name";
import { Empty, Loaded } from "../ui/states";

export const BUSIEST_MOST = 1000; // devices
const SHOWN = 5;
const KINDS = ["cpu", "memory", "disk"] as const;

interface Top {
  id: string;
  name: string;
  value: number;
}

export function Busiest() {
  const t = texts.value;
  const list = useGet<DeviceColumns>("/api/agents", { format: "columns", limit: BUSIEST_MOST }, { keep: true, every: 60 });
  return (
    <div class="panels three">
      {KINDS.map((kind) => (
        <section class="panel" key={kind}>
          <h2>{t.overview.highest[kind]}</h2>
          <Loaded of={list}>{(found) => <Tops tops={topOf(found, `${kind}_percent`)} />}</Loaded>
        </section>
      ))}
    </div>
  );
}

/** The devices that are there with the highest values of a column, highest first. */
function topOf({ columns, rows }: DeviceColumns, column: string): Top[] {
  const [id, name, status, value] = ["id", "device_name", "status", column].map((one) => columns.indexOf(one)) as [number, number, number, number];
  return rows
    .filter((row) => typeof row[value] === "number" && (row[status] === "online" || row[status] === "warning"))
    .map((row) => ({ id: String(row[id]), name: String(row[name]), value: row[value] as number }))
    .sort((a, b) => b.value - a.value)
    .slice(0, SHOWN);
}

function Tops({ tops }: { tops: Top[] }) {
  if (!tops.length) return <Empty title={texts.value.nothing} />;
  return (
    <ol class="tops">
      {tops.map(({ id, name, value }) => (
        <li key={id}>
          <a href={`/dashboard/agents/${id}`}>
            <Name of={name} />
          </a>
          <Meter value={value} level={levelOf(value)}>
            {percent(value)}
          </Meter>
        </li>
      ))}
    </ol>
  );
}
