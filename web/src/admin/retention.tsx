// Retention, for DBAs: the retention of each level, the waiting change, earlier changes, legal holds.
import type { RetentionChange, RetentionLevel, RetentionReport } from "../api/schema";
import { may } from "../api/session";
import { bytes, day } from "../lib/format";
import { useGet } from "../lib/resource";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Facts } from "../ui/facts";
import { Table } from "../ui/list";
import { Name } from "../ui/name";
import { Empty, Loaded, Skeleton } from "../ui/states";
import { Holds } from "./holds";
import { age, Ages } from "./retention_ages";
import { PlanForm } from "./retention_plan";
import { Undo } from "./retention_undo";

const EVERY_SECONDS = 30;

export function Retention() {
  const report = useGet<RetentionReport>("/api/admin/retention", {}, { every: EVERY_SECONDS });
  const changes = useGet<RetentionChange[]>("/api/admin/retention/changes", {}, { every: EVERY_SECONDS });
  const t = texts.value.retention;
  const reload = () => {
    report.reload();
    changes.reload();
  };
  return (
    <Loaded of={report} skeleton={<Skeleton lines={12} />}>
      {(found) => (
        <>
          {found.drifts.map((drift) => (
            <p class="banner warn" role="alert" key={drift}>
              {drift}
            </p>
          ))}
          {found.waiting && <Waiting change={found.waiting} reload={reload} />}
          <section class="panel">
            <h2>{t.levels}</h2>
            <Levels levels={found.levels} />
            <Facts
              facts={[
                [texts.value.storage.size, bytes(found.database_bytes)],
                [texts.value.storage.fullAt, found.full_in_days === null ? t.neverFull : age(found.full_in_days)],
                [t.sampleAge, age(found.max_sample_age_days)],
              ]}
            />
          </section>
          {may("keep_storage") ? !found.waiting && <PlanForm levels={found.levels} done={reload} /> : <p class="faint">{t.readOnly}</p>}
          <section class="panel">
            <h2>{t.history}</h2>
            <Loaded of={changes}>{(rows) => <History changes={rows} />}</Loaded>
          </section>
          <Holds holds={found.holds} reload={reload} />
        </>
      )}
    </Loaded>
  );
}

function Levels({ levels }: { levels: RetentionLevel[] }) {
  const t = texts.value.storage;
  return (
    <Table
      label={texts.value.retention.levels}
      rows={levels}
      keyOf={(row) => row.name}
      heads={[
        { title: t.level, cell: (row) => <strong>{row.name}</strong> },
        { title: t.kept, cell: (row) => age(row.kept_days), class: "number" },
        { title: t.size, cell: (row) => bytes(row.bytes), class: "number" },
        { title: texts.value.retention.perDay, cell: (row) => (row.growth_bytes_per_day === null ? "–" : bytes(row.growth_bytes_per_day)), class: "number" },
        { title: t.oldest, cell: (row) => (row.oldest_at ? day(row.oldest_at) : "–") },
        { title: t.nextDrop, cell: (row) => (row.next_drop_at ? <When time={row.next_drop_at} at /> : "–") },
      ]}
    />
  );
}

function Waiting({ change, reload }: { change: RetentionChange; reload: () => void }) {
  const t = texts.value.retention;
  return (
    <div class="banner warn" role="status">
      <p>
        <strong>{t.waits}</strong> <Ages change={change} />. {t.frees(bytes(change.planned_bytes))} {t.inForce} <When time={change.due_at} /> (<When time={change.due_at} at />).
      </p>
      {may("keep_storage") && <Undo change={change} done={reload} />}
    </div>
  );
}

function History({ changes }: { changes: RetentionChange[] }) {
  const t = texts.value.retention;
  if (!changes.length) return <Empty title={t.noChanges} />;
  return (
    <Table
      label={t.history}
      rows={changes}
      keyOf={(row) => row.change_id}
      heads={[
        { title: t.change, cell: (row) => <Ages change={row} /> },
        { title: t.state, cell: (row) => t.states[row.state] },
        { title: t.by, cell: (row) => <>{row.requested_by} <span class="faint"><When time={row.requested_at} /></span></> },
        { title: t.reason, cell: (row) => <Name of={row.reason} /> },
      ]}
    />
  );
}
