// The software of a device, now or as of a date, and its changes.
import { ONCE } from "../lib/resource";
import type { InstalledSoftware, SoftwareChange } from "../api/schema";
import { serverNow } from "../lib/clock";
import { day, zone } from "../lib/format";
import { usePages } from "../lib/pages";
import { iso } from "../lib/range";
import { param, setParams } from "../lib/url";
import { fromLocal, toLocal } from "../lib/zones";
import { texts } from "../texts";
import { SearchBox, When } from "../ui/controls";
import { PagedTable } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";

export function SoftwareTab({ id }: { id: string }) {
  const t = texts.value.software;
  const view = param("sw") === "changes" ? "changes" : "list";
  return (
    <>
      <div class="tab-tools">
        <span class="segments">
          <button type="button" aria-pressed={view === "list"} onClick={() => setParams({ sw: null })}>
            {t.installed}
          </button>
          <button type="button" aria-pressed={view === "changes"} onClick={() => setParams({ sw: "changes" })}>
            {t.changes}
          </button>
        </span>
        {view === "list" && <SearchBox label={t.search} value={param("find")} change={(text) => setParams({ find: text })} />}
        {view === "list" && <AsOf />}
        {view === "list" && (
          <label class="check">
            <input type="checkbox" checked={param("eol") === "1"} onChange={(event) => setParams({ eol: event.currentTarget.checked ? "1" : null })} />
            <span>{t.onlyEol}</span>
          </label>
        )}
      </div>
      {view === "list" ? <Installed id={id} /> : <Changes id={id} />}
    </>
  );
}

function AsOf() {
  const t = texts.value.software;
  const at = param("asof");
  return (
    <label class="inline">
      {t.asOf}
      <input
        type="datetime-local"
        value={at ? toLocal(Date.parse(at), zone.value) : ""}
        max={toLocal(serverNow(), zone.value)}
        onChange={(event) => {
          const chosen = fromLocal(event.currentTarget.value, zone.value);
          setParams({ asof: Number.isNaN(chosen) ? null : iso(chosen) }, "push");
        }}
      />
    </label>
  );
}

function Installed({ id }: { id: string }) {
  const t = texts.value.software;
  const find = param("find");
  const at = param("asof");
  const eol = param("eol") === "1" ? true : null;
  const list = usePages<InstalledSoftware>(`/api/agents/${id}/inventory/software`, { search: find, at, eol }, "software", ONCE);
  return (
    <>
      {list.first && (
        <p class="faint">
          {list.first.inventory_at ? t.listTaken : t.never} {list.first.inventory_at && <When time={list.first.inventory_at as string} at />}
        </p>
      )}
      <PagedTable
        of={list}
        label={t.installed}
        keyOf={(row) => row.id}
        empty={<Empty title={find || at || eol ? t.noneMatch : t.empty} />}
        heads={[
          { title: t.name, cell: (row) => <Name of={row.software_name} /> },
          { title: t.version, cell: (row) => <Version row={row} /> },
          { title: t.vendor, cell: (row) => <Name of={row.vendor ?? "–"} /> },
          { title: t.since, cell: (row) => <When time={row.first_seen} at /> },
          { title: t.where, cell: (row) => <a href={`/dashboard/software?q=${encodeURIComponent(row.software_name)}`}>{t.whereElse}</a>, class: "no-print" },
        ]}
      />
    </>
  );
}

function Version({ row }: { row: InstalledSoftware }) {
  const t = texts.value.software;
  return (
    <>
      <Name of={row.software_version ?? "–"} /> {row.is_eol && <span class="tag bad">{t.eol} {row.eol_date && day(row.eol_date)}</span>}
      {row.is_security_software && <span class="tag">{t.security}</span>}
    </>
  );
}

function Changes({ id }: { id: string }) {
  const t = texts.value.software;
  const list = usePages<SoftwareChange>(`/api/agents/${id}/inventory/software/changes`, {}, "changes", ONCE);
  return (
    <PagedTable
      of={list}
      label={t.changes}
      keyOf={(row) => `${row.at}${row.software_name}${row.software_version}${row.change}`}
      empty={<Empty title={t.noChanges} />}
      heads={[
        { title: t.when, cell: (row) => <When time={row.at} at /> },
        { title: t.change, cell: (row) => t.kinds[row.change] },
        { title: t.name, cell: (row) => <Name of={row.software_name} /> },
        { title: t.version, cell: (row) => <Name of={row.from_version ? `${row.from_version} → ${row.software_version ?? "–"}` : (row.software_version ?? "–")} /> },
      ]}
    />
  );
}
