// A device's alerts, newest first, each with the course of its rule in words.
import type { Alert } from "../api/schema";
import { usePages } from "../lib/pages";
import { alertsChanged } from "../shell/counts";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { PagedTable } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { SeverityWord } from "../ui/status";
import { StateWord, Ticket } from "../alerts/parts";

export function AlertsTab({ id }: { id: string }) {
  const t = texts.value.alerts;
  const list = usePages<Alert>(`/api/agents/${id}/alerts`, { limit: 100 }, "alerts", { every: 60, turn: alertsChanged.value });
  return (
    <PagedTable
      of={list}
      label={texts.value.device.tabs.alerts}
      keyOf={(row) => row.id}
      empty={<Empty title={t.noneOfDevice} />}
      heads={[
        { title: t.severity, cell: (row) => <SeverityWord severity={row.severity} quiet={Boolean(row.resolved_at)} /> },
        {
          title: t.what,
          cell: (row) => (
            <a href={`/dashboard/agents/alerts?state=${row.resolved_at ? "history" : "open"}&agent=${id}&alert=${row.id}`}>
              <Name of={row.alert_name} />
            </a>
          ),
        },
        { title: t.state, cell: (row) => <StateWord alert={row} /> },
        { title: t.since, cell: (row) => <When time={row.triggered_at} at /> },
        { title: t.until, cell: (row) => (row.resolved_at ? <When time={row.resolved_at} at /> : "–") },
        { title: t.ticket, cell: (row) => <Ticket alert={row} /> },
      ]}
    />
  );
}
