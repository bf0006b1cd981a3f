// Agent management: versions, tokens, suspected clones, devices out of service.
import { useState } from "preact/hooks";
import type { ListedAgent } from "../api/schema";
import { osName } from "../fleet/columns";
import { number } from "../lib/format";
import { usePages } from "../lib/pages";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { SearchBox, Tabs, When } from "../ui/controls";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { StatusWord } from "../ui/status";
import { LifeActions } from "./life";
import { RejoinDialog } from "./rejoin";

type Row = ListedAgent & { agent_version?: string | null; os_version?: string | null; hostname?: string | null; is_active?: boolean; clone_suspected?: boolean; decommissioned_at?: string | null };

export function ManagementPage() {
  const t = texts.value.management;
  const [joined, join] = useState<Row | null>(null);
  const tab = param("state") || "all";
  const search = param("q");
  const query = { search, clone_suspected: tab === "clones" ? true : null, status: tab === "inactive" ? "disabled" : tab === "silent" ? "offline,error" : null };
  const list = usePages<Row>("/api/agents", { ...query, limit: 100 }, "agents");
  const heads: Array<Head<Row>> = [
    {
      title: t.device,
      class: "name",
      cell: (row) => (
        <>
          <a href={`/dashboard/agents/${row.id}?tab=settings`}>
            <Name of={row.device_name} />
          </a>
          {row.hostname && row.hostname !== row.device_name && (
            <div class="faint">
              <Name of={row.hostname} />
            </div>
          )}
        </>
      ),
    },
    { title: t.business, cell: (row) => <Name of={[row.business.business_name, row.service_location?.location_name].filter(Boolean).join(" / ")} /> },
    { title: t.status, class: "short", cell: (row) => <StatusWord status={row.status} /> },
    { title: t.os, cell: (row) => osName({ os: row.os_type ?? "", osVersion: row.os_version ?? "" }) },
    { title: t.version, cell: (row) => row.agent_version ?? "–" },
    { title: t.seen, class: "short", cell: (row) => <When time={row.last_heartbeat ?? row.last_metrics_received} /> },
    {
      title: texts.value.actions,
      cell: (row) => (
        <span class="buttons">
          {row.clone_suspected && <span class="tag bad">{texts.value.tags.clone}</span>}
          <LifeActions device={{ ...row, is_active: row.is_active ?? row.status !== "disabled", decommissioned_at: row.decommissioned_at ?? null, clone_suspected_at: row.clone_suspected ? "" : null }} done={list.reload} />
          <button type="button" class="small" onClick={() => join(row)}>
            {t.rejoin}
          </button>
        </span>
      ),
    },
  ];
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.management}</h1>
        <p class="counts">{list.rows && t.shown(number(list.rows.length) + (list.hasMore ? "+" : ""))}</p>
        <span class="grow" />
        <a class="button primary" href="/admin/agents/registration">
          {t.register}
        </a>
      </div>
      <Tabs
        name="state"
        label={texts.value.nav.management}
        chosen={tab}
        tabs={[
          ["all", t.tabs.all],
          ["silent", t.tabs.silent],
          ["clones", t.tabs.clones],
          ["inactive", t.tabs.inactive],
        ]}
      />
      <div class="filters">
        <SearchBox label={t.search} value={search} change={(text) => setParams({ q: text })} wait={300} />
      </div>
      <PagedTable of={list} heads={heads} keyOf={(row) => row.id} label={texts.value.nav.management} empty={<Empty title={search || tab !== "all" ? t.noneMatch : texts.value.fleet.empty} />} />
      {joined && <RejoinDialog device={joined} close={() => join(null)} />}
    </main>
  );
}
