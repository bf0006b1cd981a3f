// Who did what to a device, when and from where; for employees.
import type { AuditEntry } from "../api/schema";
import { usePages } from "../lib/pages";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { PagedTable } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { detailWords } from "./event_words";

export function AuditTab({ id }: { id: string }) {
  const t = texts.value.audit;
  const list = usePages<AuditEntry>(`/api/agents/${id}/audit`, { limit: 100 }, "entries");
  return (
    <PagedTable
      of={list}
      label={texts.value.device.tabs.audit}
      keyOf={(row) => row.id}
      empty={<Empty title={t.empty} />}
      heads={[
        { title: t.when, cell: (row) => <When time={row.at} at /> },
        { title: t.who, cell: (row) => <Name title={row.actor_id ?? ""} of={row.actor_name ?? t.kinds[row.actor_kind]} /> },
        { title: t.from, cell: (row) => row.source ?? "–" },
        { title: t.what, cell: (row) => texts.value.auditActions[row.action] ?? row.action.replaceAll("_", " ") },
        { title: t.details, cell: (row) => <Name class="details" of={detailWords(row.details)} /> },
      ]}
    />
  );
}
