// Where in the fleet a software is.
import { isEmployee } from "../api/session";
import type { FoundSoftware } from "../api/schema";
import { saveCsv } from "../lib/csv";
import { day } from "../lib/format";
import { usePages } from "../lib/pages";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { SearchBox, When } from "../ui/controls";
import { Icon } from "../ui/icons";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";

const SHORTEST = 2;

export function SoftwarePage() {
  const t = texts.value.software;
  const search = param("q");
  const version = param("version");
  const key = search.length >= SHORTEST ? `found ${search} ${version}` : null;
  const list = usePages<FoundSoftware>(key && "/api/agents/inventory/software", { search, version }, "software", { poll: false, keep: false });
  const heads: Array<Head<FoundSoftware>> = [
    { title: t.name, cell: (row) => <Name of={row.software_name} /> },
    {
      title: t.version,
      cell: (row) => (
        <>
          <Name of={row.software_version ?? "–"} /> {row.is_eol && <span class="tag bad">{t.eol} {row.eol_date && day(row.eol_date)}</span>}
        </>
      ),
    },
    {
      title: t.device,
      cell: (row) => (
        <a href={`/dashboard/agents/${row.agent_id}?tab=software&find=${encodeURIComponent(row.software_name)}`}>
          <Name of={row.device_name} />
        </a>
      ),
    },
    { title: t.since, cell: (row) => <When time={row.first_seen} at /> },
  ];
  if (isEmployee.value) heads.splice(3, 0, { title: t.business, cell: (row) => <Name of={row.business.business_name} /> });
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.software}</h1>
        <span class="grow" />
        <button type="button" disabled={!list.rows?.length} onClick={() => saveFound(list.rows ?? [])}>
          <Icon name="download" /> CSV
        </button>
      </div>
      <div class="filters">
        <SearchBox label={t.searchFleet} value={search} change={(text) => setParams({ q: text })} wait={350} />
        <SearchBox label={t.versionFilter} value={version} change={(text) => setParams({ version: text })} wait={350} />
      </div>
      {key === null ? <Empty title={t.searchFirst} /> : <PagedTable of={list} label={texts.value.nav.software} keyOf={(row) => `${row.agent_id}${row.software_name}${row.software_version}${row.software_type}`} heads={heads} empty={<Empty title={t.nowhere(search)} />} />}
    </main>
  );
}

function saveFound(rows: FoundSoftware[]): void {
  saveCsv("software", ["software", "version", "device", "business", "first_seen", "eol_date"], rows.map((row) => [row.software_name, row.software_version, row.device_name, row.business.business_name, row.first_seen, row.eol_date]));
}
