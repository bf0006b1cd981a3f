// Alerts: open, acknowledged, snoozed, history; grouped; the chosen one beside with its chart and course.
import type { Alert } from "../api/schema";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { isEmployee, may } from "../api/session";
import { saveCsv } from "../lib/csv";
import { number } from "../lib/format";
import { usePages, type Paged } from "../lib/pages";
import { param, setParams } from "../lib/url";
import { alertsChanged } from "../shell/counts";
import { texts } from "../texts";
import { ActButton, SearchBox, Tabs } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { AlertActions, underway } from "./actions";
import { AlertDetails } from "./details";
import { AlertGroups } from "./groups";
import { isSnoozed } from "./parts";

const TABS = ["open", "acknowledged", "snoozed", "history"] as const;
type Tab = (typeof TABS)[number];

/** Which alerts are selected for an action on all of them. */
export const picked = signal<ReadonlySet<string>>(new Set());

/**
 * The open alerts are divided here, by tab and filter: where one of these is chosen they are read to the last, so that
 * none is missed. The history comes by time from the server.
 */
function useAlerts(tab: Tab): Paged<Alert> {
  const isHistory = tab === "history";
  const common = { severity: param("severity"), business_id: param("business") };
  const more = { status: "resolved,auto_resolved", agent_id: param("agent"), rule_id: param("rule"), search: param("q"), start: param("from") };
  const list = usePages<Alert>(`/api/agents/alerts/${isHistory ? "history" : "open"}`, { ...common, ...(isHistory && more), limit: isHistory ? 200 : 1000 }, "alerts", { every: 60, turn: alertsChanged.value });
  const isNarrowed = !isHistory && (tab !== "open" || ["agent", "rule", "q"].some((name) => param(name)));
  useEffect(() => {
    if (isNarrowed && list.hasMore) list.more().catch(() => undefined); // its button stays, to try again
  }, [isNarrowed, list.hasMore, list.rows?.length]);
  if (isHistory) return list;
  return { ...list, rows: list.rows?.filter((alert) => tabOf(alert) === tab && fits(alert)) };
}

function tabOf(alert: Alert): Tab {
  return isSnoozed(alert) ? "snoozed" : alert.status === "acknowledged" ? "acknowledged" : "open";
}

function fits(alert: Alert): boolean {
  if (param("agent") && alert.agent_id !== param("agent")) return false;
  if (param("rule") && alert.rule_id !== param("rule")) return false;
  const text = `${alert.alert_name}\n${alert.device_name}\n${alert.alert_message}`.toLowerCase();
  return text.includes(param("q").toLowerCase());
}

export function AlertsPage() {
  const t = texts.value.alerts;
  const asked = param("state") as Tab;
  const tab = TABS.includes(asked) ? asked : "open";
  const list = useAlerts(tab);
  useEffect(() => {
    picked.value = new Set();
  }, [tab]);
  // An alert whose action is underway shows where it will be: it leaves the list at once, and comes back with Undo.
  const rows = list.rows?.filter((alert) => !underway.value.has(alert.id) || (tab !== "open" && underway.value.get(alert.id) === "acknowledge"));
  const chosen = rows?.find((alert) => alert.id === param("alert"));
  const all = rows?.filter((alert) => picked.value.has(alert.id)) ?? [];
  const isFiltered = ["severity", "business", "agent", "rule", "q"].some((name) => param(name));
  return (
    <main class="page alerts-page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.alerts}</h1>
        <p class="counts" role="status">
          {rows && t.count(number(rows.length) + (list.hasMore ? "+" : ""))}
        </p>
        <span class="grow" />
        <div class="tools">
          <button type="button" disabled={!rows} onClick={() => rows && saveAlerts(rows)}>
            <Icon name="download" /> CSV
          </button>
        </div>
      </div>
      <Tabs name="state" tabs={TABS.map((key) => [key, t.tabs[key]])} chosen={tab} label={t.tabsLabel} />
      <AlertFilters isFiltered={isFiltered} />
      {all.length > 0 && (
        <div class="selection-bar" role="region" aria-label={t.selected(number(all.length))}>
          <p>
            <strong>{t.selected(number(all.length))}</strong>
          </p>
          <AlertActions alerts={all} done={() => (picked.value = new Set())} />
        </div>
      )}
      {list.error && <ErrorBox error={list.error} retry={list.reload} />}
      <div class={chosen ? "split open" : "split"}>
        <div class="split-list">
          {rows ? rows.length ? <AlertGroups alerts={rows} chosen={chosen?.id ?? ""} withBoxes={may("handle_alerts") && tab !== "history"} /> : <Nothing tab={tab} isFiltered={isFiltered} /> : !list.error && <Skeleton lines={10} />}
          {list.hasMore && (
            <p class="more">
              <ActButton act={list.more}>{texts.value.more}</ActButton>
            </p>
          )}
        </div>
        {chosen && <AlertDetails alert={chosen} done={list.reload} key={chosen.id} />}
      </div>
    </main>
  );
}

function Nothing({ tab, isFiltered }: { tab: Tab; isFiltered: boolean }) {
  const t = texts.value.alerts;
  if (!isFiltered) return <Empty title={t.empty[tab]}>{tab === "open" && isEmployee.value && <a href="/admin/agents/alerts">{t.toRules}</a>}</Empty>;
  return (
    <Empty title={t.noneMatch}>
      <button type="button" onClick={clear}>
        {t.clear}
      </button>
    </Empty>
  );
}

function clear(): void {
  setParams({ severity: null, business: null, agent: null, rule: null, q: null, alert: null }, "push");
}

function AlertFilters({ isFiltered }: { isFiltered: boolean }) {
  const t = texts.value.alerts;
  return (
    <div class="filters">
      <SearchBox label={t.search} value={param("q")} change={(text) => setParams({ q: text, alert: null })} wait={350} />
      <label class="inline">
        {t.severity}
        <select value={param("severity")} onChange={(event) => setParams({ severity: event.currentTarget.value }, "push")}>
          <option value="">{t.all}</option>
          {(["critical", "warning", "info"] as const).map((severity) => (
            <option key={severity} value={severity}>
              {texts.value.severities[severity]}
            </option>
          ))}
        </select>
      </label>
      <label class="inline">
        {t.group}
        <select value={param("group")} onChange={(event) => setParams({ group: event.currentTarget.value })}>
          <option value="">{t.groups.none}</option>
          <option value="rule">{t.groups.rule}</option>
          <option value="device">{t.groups.device}</option>
          {isEmployee.value && <option value="business">{t.groups.business}</option>}
        </select>
      </label>
      {isFiltered && (
        <button type="button" class="plain" onClick={clear}>
          {t.clear}
        </button>
      )}
    </div>
  );
}

function saveAlerts(rows: Alert[]): void {
  const head = ["id", "severity", "status", "alert", "device", "business", "triggered_at", "resolved_at", "snoozed_until", "value", "threshold", "message", "ticket"];
  saveCsv(
    "alerts",
    head,
    rows.map((row) => [row.id, row.severity, row.status, row.alert_name, row.device_name, row.business.business_name, row.triggered_at, row.resolved_at, row.snoozed_until, row.metric_value, row.threshold_value, row.alert_message, row.service_request_created]),
  );
}
