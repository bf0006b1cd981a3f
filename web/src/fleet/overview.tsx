// The fleet in five seconds: is anything burning, and where.
import type { Alert } from "../api/schema";
import { useGet } from "../lib/resource";
import type { AlertPage, Counted, Summary } from "../api/pending";
import { isEmployee } from "../api/session";
import { whatOf } from "../alerts/parts";
import { Busiest, BUSIEST_MOST } from "./busiest";
import { isStale } from "../lib/clock";
import { number } from "../lib/format";
import { alertsChanged } from "../shell/counts";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Table, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { Empty, Loaded, Skeleton } from "../ui/states";
import { Mark, SeverityWord } from "../ui/status";

const STATUSES = ["online", "warning", "offline", "error", "disabled"] as const;

export function OverviewPage() {
  const t = texts.value.overview;
  const summary = useGet<Summary>("/api/agents/summary", {}, { keep: true, every: 30, turn: alertsChanged.value });
  const alerts = useGet<AlertPage>("/api/agents/alerts/open", { limit: 20 }, { keep: true, every: 60, turn: alertsChanged.value });
  return (
    <main class="page overview-page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.overview}</h1>
        <p class="counts">{summary.data && t.devices(number(summary.data.devices))}</p>
      </div>
      <Loaded of={summary} skeleton={<TilesSkeleton />}>
        {(found) => (found.devices ? <Tiles summary={found} /> : <NoDevices />)}
      </Loaded>
      <div class="overview-columns">
        <section class="panel">
          <h2>{isEmployee.value ? t.businesses : t.sites}</h2>
          <Loaded of={summary}>{(found) => <Places summary={found} />}</Loaded>
        </section>
        <section class="panel">
          <h2>{t.newest}</h2>
          <Loaded of={alerts}>{(found) => (found.alerts.length ? <Newest alerts={found.alerts} /> : <Empty title={t.quiet} />)}</Loaded>
        </section>
      </div>
      {summary.data && summary.data.devices > 0 && summary.data.devices <= BUSIEST_MOST && <Busiest />}
    </main>
  );
}

function TilesSkeleton() {
  return (
    <div class="tiles">
      {Array.from({ length: 5 }, (_, index) => (
        <div class="tile calm" key={index}>
          <Skeleton lines={2} />
        </div>
      ))}
    </div>
  );
}

function NoDevices() {
  const t = texts.value.fleet;
  if (!isEmployee.value) return <Empty title={t.emptyCustomer} />;
  return (
    <Empty title={t.empty}>
      <a class="button primary" href="/admin/agents/registration">
        {t.emptyNext}
      </a>
    </Empty>
  );
}

function Tiles({ summary }: { summary: Summary }) {
  const t = texts.value.overview;
  const { open_alerts: open, statuses } = summary;
  const tiles: Array<[string, number, string, string, string]> = [
    [t.critical, open.critical, "critical", "/dashboard/agents/alerts?severity=critical", summary.snoozed_alerts ? t.snoozed(number(summary.snoozed_alerts)) : ""],
    [t.warning, open.warning, "warning", "/dashboard/agents/alerts?severity=warning", ""],
    [t.offline, statuses.offline + statuses.error, "offline", "/dashboard/agents?status=offline,error", t.of(number(summary.devices))],
    [t.silent, summary.silent_over_a_day, "disabled", "/dashboard/agents?silent=1", ""],
  ];
  if (isEmployee.value) tiles.splice(3, 0, [t.approval, summary.awaiting_approval, "info", "/dashboard/commands?state=approval", ""]);
  else tiles.unshift([t.online, statuses.online, "online", "/dashboard/agents?status=online", t.of(number(summary.devices))]);
  return (
    <ul class="tiles">
      {tiles.map(([name, count, kind, href, note]) => (
        <li key={name}>
          <a class={`tile ${count && !isStale.value ? kind : "calm"}`} href={href}>
            <span class="tile-name">
              <Mark kind={kind as "critical"} stale={!count || isStale.value} /> {name}
            </span>
            <strong>{number(count)}</strong>
            <span class="faint">{note}</span>
          </a>
        </li>
      ))}
    </ul>
  );
}

type Row = Counted & { key: string; name: string; href: string; oldest: string | null };

function Places({ summary }: { summary: Summary }) {
  const t = texts.value.overview;
  const rows: Row[] = isEmployee.value
    ? summary.businesses.map((one) => ({ ...one, key: one.id, name: one.business_name, href: `/dashboard/agents?business=${one.id}`, oldest: one.oldest_unacknowledged_at }))
    : summary.sites.map((one) => ({ ...one, key: one.id ?? "none", name: one.location_name ?? t.noSite, href: one.id ? `/dashboard/agents?site=${one.id}` : "/dashboard/agents", oldest: null }));
  if (!rows.length) return <Empty title={texts.value.nothing} />;
  const heads: Array<Head<Row>> = [
    {
      title: isEmployee.value ? t.business : t.site,
      cell: (row) => (
        <a href={row.href}>
          <Name of={row.name} />
        </a>
      ),
    },
    { title: t.statuses, cell: (row) => <StatusBar row={row} /> },
    { title: t.alerts, cell: (row) => <AlertCounts row={row} /> },
  ];
  if (isEmployee.value) heads.push({ title: t.oldest, cell: (row) => (row.oldest ? <When time={row.oldest} /> : "–") });
  return <Table label={isEmployee.value ? t.businesses : t.sites} rows={rows} keyOf={(row) => row.key} heads={heads} />;
}

/** Devices by status as a bar, and in numbers. */
function StatusBar({ row }: { row: Row }) {
  const present = STATUSES.filter((status) => row.statuses[status] > 0);
  let at = 0;
  return (
    <span class="status-bar">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        {present.map((status) => {
          const width = (100 * row.statuses[status]) / Math.max(1, row.devices);
          const x = at;
          at += width;
          return <rect key={status} class={isStale.value ? "stale" : status} x={x} width={Math.max(0, width - 0.6)} height="8" />;
        })}
      </svg>
      <span>
        {present.map((status) => (
          <span key={status} class="status-count">
            <Mark kind={status} stale={isStale.value} label={texts.value.statuses[status]} /> {number(row.statuses[status])}
          </span>
        ))}
      </span>
    </span>
  );
}

function AlertCounts({ row }: { row: Row }) {
  const kinds = (["critical", "warning", "info"] as const).filter((kind) => row.open_alerts[kind] > 0);
  if (!kinds.length) return <span class="faint">0</span>;
  return (
    <span>
      {kinds.map((kind) => (
        <span key={kind} class={`word ${kind}`}>
          <Mark kind={kind} label={texts.value.severities[kind]} /> {number(row.open_alerts[kind])}{" "}
        </span>
      ))}
    </span>
  );
}

function Newest({ alerts }: { alerts: Alert[] }) {
  return (
    <ul class="newest">
      {alerts.map((alert) => (
        <li key={alert.id}>
          <SeverityWord severity={alert.severity} quiet={Boolean(alert.snoozed_until)} />
          <div>
            <a href={`/dashboard/agents/alerts?${alert.status === "acknowledged" ? "state=acknowledged&" : ""}alert=${alert.id}`}>
              <Name of={alert.alert_name} />
            </a>{" "}
            <a class="faint" href={`/dashboard/agents/${alert.agent_id}`}>
              <Name of={alert.device_name} />
            </a>
            <div class="faint">
              <Name of={whatOf(alert)} />
            </div>
          </div>
          <span class="faint end">
            <When time={alert.triggered_at} />
          </span>
        </li>
      ))}
    </ul>
  );
}
