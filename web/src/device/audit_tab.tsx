// Who did what to a device, when and from where; for employees.
import { call } from "../api/call";
import type { AuditEntry } from "../api/pending";
import { usePages } from "../lib/pages";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { PagedTable } from "../ui/list";
import { Empty } from "../ui/states";
import { detailsOf } from "./events_tab";

type Trail = { entries: AuditEntry[]; next_before: number | null };

export function AuditTab({ id }: { id: string }) {
  const t = texts.value.audit;
  const list = usePages<AuditEntry, Trail>(
    `audit ${id}`,
    (cursor, signal) => call("GET", `/api/agents/${id}/audit`, { query: { before: cursor, limit: 100 }, ...(signal && { signal }) }),
    (page) => [page.entries, page.next_before === null ? null : String(page.next_before)],
  );
  return (
    <PagedTable
      of={list}
      label={texts.value.device.tabs.audit}
      keyOf={(row) => row.id}
      empty={<Empty title={t.empty} />}
      heads={[
        { title: t.when, cell: (row) => <When time={row.at} at /> },
        { title: t.who, cell: (row) => <bdi title={row.actor_id ?? ""}>{row.actor_name ?? t.kinds[row.actor_kind]}</bdi> },
        { title: t.from, cell: (row) => row.source ?? "–" },
        { title: t.what, cell: (row) => row.action.replaceAll("_", " ") },
        { title: t.details, cell: (row) => <bdi class="details">{detailsOf(row.details)}</bdi> },
      ]}
    />
  );
}
