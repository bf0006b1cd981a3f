// The alert rules: each in words, with its results, and whether it is on.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { AlertRule, Defaults } from "../api/schema";
import { number } from "../lib/format";
import { usePages } from "../lib/pages";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { ActButton, SearchBox, When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { PlacePicker, useBusinesses, type PlaceChoice } from "../ui/place_picker";
import { Empty } from "../ui/states";
import { SeverityWord } from "../ui/status";
import { conditionWords } from "./words";
import { say } from "../ui/toasts";

export function RulesPage() {
  const t = texts.value.rules;
  const [isDefaults, openDefaults] = useState(false);
  const [deleted, remove] = useState<AlertRule | null>(null);
  const search = param("q");
  const list = usePages<AlertRule>("/api/agents/alerts", { search }, "rules");
  const businesses = useBusinesses();
  const names = new Map(businesses.data?.businesses.map((one) => [one.id, one.business_name]) ?? []);
  const toggle = async (rule: AlertRule) => {
    await call("POST", `/api/agents/alerts/${rule.id}/${rule.is_active ? "disable" : "enable"}`);
    list.reload();
  };
  const heads: Array<Head<AlertRule>> = [
    { title: t.severity, class: "short", cell: (row) => <SeverityWord severity={row.severity} quiet={!row.is_active} /> },
    {
      title: t.name,
      cell: (row) => (
        <>
          <a href={`/admin/agents/alerts/${row.id}`}>
            <Name of={row.alert_name} />
          </a>{" "}
          {row.is_shadow && <span class="tag">{t.shadowTag}</span>} {!row.is_active && <span class="tag">{t.off}</span>} {row.error_message && <span class="tag bad">{t.faulty}</span>}
          <div class="faint">
            <Name of={row.error_message ?? conditionWords(row.conditions) ?? row.in_words} />
          </div>
        </>
      ),
    },
    { title: t.reach, cell: (row) => <Name of={reachOf(row, names)} /> },
    { title: t.madeBy, class: "person", cell: (row) => <><Name of={row.created_by_name ?? "–"} /> <div class="faint">{t.changed} <When time={row.updated_at} /></div></> },
    { title: t.openAlerts, cell: (row) => (row.open_alerts ? <a href={`/dashboard/agents/alerts?rule=${row.id}`}>{number(row.open_alerts)}</a> : "0"), class: "number" },
    { title: t.last, cell: (row) => <When time={row.last_triggered} /> },
    { title: t.count, cell: (row) => number(row.trigger_count), class: "number" },
    {
      title: texts.value.actions,
      cell: (row) => (
        <span class="buttons">
          <ActButton class="small" act={() => toggle(row)}>
            {row.is_active ? t.disable : t.enable}
          </ActButton>
          <button type="button" class="small" onClick={() => remove(row)}>
            {texts.value.remove}
          </button>
        </span>
      ),
    },
  ];
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.rules}</h1>
        <span class="grow" />
        <button type="button" onClick={() => openDefaults(true)}>
          {t.defaults}
        </button>
        <a class="button primary" href="/admin/agents/alerts/new">
          {t.newRule}
        </a>
      </div>
      <div class="filters">
        <SearchBox label={t.search} value={search} change={(text) => setParams({ q: text })} wait={300} />
      </div>
      <PagedTable
        of={list}
        heads={heads}
        keyOf={(row) => row.id}
        label={texts.value.nav.rules}
        rowClass={(row) => (row.is_active ? "" : "off")}
        empty={<Empty title={search ? t.noneMatch : t.empty}>{!search && <a href="/admin/agents/alerts/new">{t.newRule}</a>}</Empty>}
      />
      {isDefaults && (
        <DefaultsDialog
          close={() => {
            openDefaults(false);
            list.reload();
          }}
        />
      )}
      {deleted && (
        <Dialog title={t.removeTitle} close={() => remove(null)}>
          <p>{t.removeHelp(deleted.alert_name)} {deleted.open_alerts > 0 && t.openEnd(deleted.open_alerts)}</p>
          <footer>
            <ActButton
              class="primary"
              act={async () => {
                await call("DELETE", `/api/agents/alerts/${deleted.id}`);
                remove(null);
                list.reload();
              }}
            >
              {texts.value.remove}
            </ActButton>
          </footer>
        </Dialog>
      )}
    </main>
  );
}

function reachOf(rule: AlertRule, names: Map<string, string>): string {
  const t = texts.value.rules;
  if (rule.agent_device_id) return t.oneDevice;
  const place = rule.business_id ? (names.get(rule.business_id) ?? t.oneBusiness) : t.everywhere;
  return [place, rule.service_location_id && t.oneSite, rule.device_type && texts.value.types[rule.device_type]].filter(Boolean).join(" / ");
}

function DefaultsDialog({ close }: { close: () => void }) {
  const t = texts.value.rules;
  const [place, setPlace] = useState<PlaceChoice>({ business_id: null, service_location_id: null, agent_device_id: null });
  const make = async () => {
    const made = await call<Defaults>("POST", "/api/agents/alerts/defaults", { body: { business_id: place.business_id } });
    say(t.defaultsMade(made.created.length, made.existing.length));
    close();
  };
  return (
    <Dialog title={t.defaults} close={close}>
      <p>{t.defaultsHelp}</p>
      <PlacePicker value={place} change={(choice) => setPlace({ ...choice, service_location_id: null })} />
      <footer>
        <ActButton class="primary" act={make} disabled={!place.business_id}>
          {t.makeDefaults}
        </ActButton>
      </footer>
    </Dialog>
  );
}
