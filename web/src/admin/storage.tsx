// Storage, for DBAs: sizes, freshness, jobs, what waits; a second tab has retention.
import { useGet } from "../lib/resource";
import type { StorageReport } from "../api/pending";
import { bytes, day, duration, exactDuration, number } from "../lib/format";
import { texts } from "../texts";
import { param } from "../lib/url";
import { Facts } from "../ui/facts";
import { Tabs, When } from "../ui/controls";
import { Table } from "../ui/list";
import { Meter } from "../ui/meter";
import { Empty, Loaded, Skeleton } from "../ui/states";
import { Erasures } from "./erasures";
import { Retention } from "./retention";

type Level = StorageReport["levels"][number];
const EVERY_SECONDS = 30;

export function StoragePage() {
  const t = texts.value.storage;
  const tab = param("tab") || "state";
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.storage}</h1>
      </div>
      <Tabs
        name="tab"
        label={texts.value.nav.storage}
        chosen={tab}
        tabs={[
          ["state", t.stateTab],
          ["retention", texts.value.retention.title],
          ["erasure", texts.value.erasure.title],
        ]}
      />
      {tab === "retention" ? <Retention /> : tab === "erasure" ? <Erasures /> : <State />}
    </main>
  );
}

function State() {
  const report = useGet<StorageReport>("/api/admin/storage", {}, { every: EVERY_SECONDS });
  return (
    <Loaded of={report} skeleton={<Skeleton lines={12} />}>
      {(found) => (
        <>
          <p class="counts">
            {texts.value.storage.asOf} <When time={found.as_of} />
          </p>
          <Report report={found} />
        </>
      )}
    </Loaded>
  );
}

function Report({ report }: { report: StorageReport }) {
  const t = texts.value.storage;
  return (
    <>
      {report.faults.length ? (
        <div class="banner warn" role="alert">
          <ul>
            {report.faults.map((fault) => (
              <li key={fault}>{fault}</li>
            ))}
          </ul>
        </div>
      ) : (
        <p class="banner good">{t.healthy}</p>
      )}
      <section class="panel">
        <h2>{t.levels}</h2>
        <Levels title={t.levels} levels={report.levels} />
      </section>
      <section class="panel">
        <h2>{t.seriesLevels}</h2>
        <Levels title={t.seriesLevels} levels={report.series_levels} />
      </section>
      <div class="panels">
        <section class="panel">
          <h2>{t.database}</h2>
          <Facts
            facts={[
              [t.version, `PostgreSQL ${report.database.postgres}, TimescaleDB ${report.database.timescaledb ?? "–"}`],
              [t.size, bytes(report.database.bytes)],
              [t.connections, `${number(report.database.connections)} / ${number(report.database.connections_max)}`],
              [t.oldestTransaction, report.database.oldest_transaction_at ? <When time={report.database.oldest_transaction_at} /> : "–"],
              [t.freezeAge, number(report.database.freeze_age)],
              [t.fullAt, report.full_at ? <When time={report.full_at} at /> : "–"],
            ]}
          />
        </section>
        <section class="panel">
          <h2>{t.waiting}</h2>
          <Facts
            facts={[
              [t.buffered, `${number(report.buffered_samples)} / ${number(report.buffered_samples_max)}`],
              [t.tickets, outbox(report.outboxes.tickets)],
              [t.notifications, outbox(report.outboxes.notifications)],
              [t.alertPass, report.alert_pass.at ? <><When time={report.alert_pass.at} /> {report.alert_pass.seconds !== null && t.took(number(report.alert_pass.rules ?? 0), number(report.alert_pass.seconds, 2))}</> : texts.value.never],
              [t.lateDevices, number(report.late_devices)],
            ]}
          />
        </section>
      </div>
      {report.growth.length > 1 && <Growth growth={report.growth} />}
      {report.jobs.length > 0 && <Jobs jobs={report.jobs} />}
      {report.worker.length > 0 && (
        <section class="panel">
          <h2>{t.worker}</h2>
          <Table
            label={t.worker}
            rows={report.worker}
            keyOf={(row) => row.duty}
            heads={[
              { title: t.duty, cell: (row) => row.duty.replaceAll("_", " ") },
              { title: t.last, cell: (row) => <When time={row.last_run_at} /> },
              { title: t.seconds, cell: (row) => (row.last_seconds === null ? "–" : number(row.last_seconds, 2)), class: "number" },
            ]}
          />
        </section>
      )}
    </>
  );
}

function outbox(box: StorageReport["outboxes"]["tickets"]): string {
  const t = texts.value.storage;
  return box.failing ? t.failing(number(box.waiting), number(box.failing)) : number(box.waiting);
}

function Levels({ title, levels }: { title: string; levels: Level[] }) {
  const t = texts.value.storage;
  return (
    <Table
      label={title}
      rows={levels}
      keyOf={(row) => row.name}
      heads={[
        { title: t.level, cell: (row) => <strong>{row.name}</strong> },
        { title: t.size, cell: (row) => bytes(row.bytes), class: "number" },
        { title: t.perDay, cell: (row) => (row.rows_per_day === null ? "–" : number(row.rows_per_day)), class: "number" },
        { title: t.oldest, cell: (row) => (row.oldest_at ? day(row.oldest_at) : "–") },
        { title: t.chunks, cell: (row) => `${number(row.chunks)} × ${exactDuration(row.chunk_seconds)}`, class: "number" },
        { title: t.columnstore, cell: (row) => (row.chunks ? `${number((100 * row.columnstore_chunks) / row.chunks)} %` : "–"), class: "number" },
        { title: t.kept, cell: (row) => (row.kept_seconds === null ? t.forever : exactDuration(row.kept_seconds)), class: "number" },
        { title: t.nextDrop, cell: (row) => (row.next_drop_at ? <When time={row.next_drop_at} at /> : "–") },
        { title: t.lag, cell: (row) => <Lag level={row} /> },
      ]}
    />
  );
}

/** The lag of a rollup against the allowed lag: bar and word. */
function Lag({ level }: { level: Level }) {
  const t = texts.value.storage;
  if (level.lag_seconds === null || !level.allowed_lag_seconds) return <span class="faint">{t.noLag}</span>;
  const share = Math.min(100, (100 * level.lag_seconds) / level.allowed_lag_seconds);
  const isLate = level.lag_seconds > level.allowed_lag_seconds;
  return (
    <Meter value={share} level={isLate ? "high" : "low"}>
      {t.behind(duration(level.lag_seconds), exactDuration(level.allowed_lag_seconds))} {isLate && <span class="word error">{t.late}</span>}
    </Meter>
  );
}

function Growth({ growth }: { growth: StorageReport["growth"] }) {
  const t = texts.value.storage;
  const top = Math.max(...growth.map((one) => one.bytes), 1);
  const points = growth.map((one, index) => `${(100 * index) / (growth.length - 1)},${40 - (38 * one.bytes) / top}`).join(" ");
  return (
    <section class="panel">
      <h2>{t.growth}</h2>
      <svg class="growth" viewBox="0 0 100 40" preserveAspectRatio="none" role="img" aria-label={t.growthWords(bytes(growth[0]!.bytes), bytes(growth.at(-1)!.bytes), growth.length)}>
        <polyline points={points} />
      </svg>
      <p class="faint">{t.growthWords(bytes(growth[0]!.bytes), bytes(growth.at(-1)!.bytes), growth.length)}</p>
    </section>
  );
}

function Jobs({ jobs }: { jobs: StorageReport["jobs"] }) {
  const t = texts.value.storage;
  if (!jobs.length) return <Empty title={texts.value.nothing} />;
  return (
    <section class="panel">
      <h2>{t.jobs}</h2>
      <Table
        label={t.jobs}
        rows={jobs}
        keyOf={(row) => row.name}
        heads={[
          { title: t.job, cell: (row) => row.name },
          { title: t.last, cell: (row) => <When time={row.last_run_at} /> },
          { title: t.state, cell: (row) => <span class={row.last_error ? "word error" : ""}>{row.last_error ?? row.last_status ?? "–"}</span> },
          { title: t.next, cell: (row) => (row.next_run_at ? <When time={row.next_run_at} at /> : "–") },
          { title: t.failures, cell: (row) => (row.failures === null ? "–" : number(row.failures)), class: "number" },
        ]}
      />
    </section>
  );
}
