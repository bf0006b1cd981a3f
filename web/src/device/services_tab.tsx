// The services of a device: how they are, since when, and whether they should be running.
import { useGet } from "../lib/resource";
import { call } from "../api/call";
import { may } from "../api/session";
import type { MonitoredService } from "../api/schema";
import { number } from "../lib/format";
import { texts } from "../texts";
import { When, sayFault } from "../ui/controls";
import { Table } from "../ui/list";
import { Name } from "../ui/name";
import { Empty, Loaded } from "../ui/states";

type Service = MonitoredService & { service_display_name: string | null; service_type: string | null };

const CLASS: Record<Service["status"], string> = { running: "online", starting: "warning", stopped: "offline", error: "error" };

export function ServicesTab({ id }: { id: string }) {
  const services = useGet<{ services: Service[] }>(`/api/agents/${id}/services`, {}, { every: 60 });
  const t = texts.value.services;
  const change = async (service: Service, should: boolean) => {
    try {
      await call("PATCH", `/api/agents/${id}/services/${service.id}`, { body: { should_be_running: should } });
    } catch (error) {
      sayFault(error);
    }
    services.reload();
  };
  return (
    <Loaded of={services}>
      {({ services: rows }) =>
        rows.length === 0 ? (
          <Empty title={t.empty} />
        ) : (
          <Table
            label={texts.value.device.tabs.services}
            rows={[...rows].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name))}
            keyOf={(row) => row.id}
            heads={[
              { title: t.name, cell: (row) => <Name of={row.service_display_name ?? row.name} /> },
              { title: t.state, cell: (row) => <span class={`word ${row.should_be_running || row.status === "running" ? CLASS[row.status] : "stale"}`}>{t.states[row.status]}</span> },
              { title: t.since, cell: (row) => <When time={row.last_state_change} /> },
              { title: t.changes, cell: (row) => number(row.state_changes), class: "number" },
              { title: t.restarts, cell: (row) => number(row.restart_count), class: "number" },
              {
                title: t.should,
                cell: (row) =>
                  may("manage_agents") ? (
                    <label class="check">
                      <input type="checkbox" role="switch" checked={row.should_be_running} onChange={(event) => void change(row, event.currentTarget.checked)} aria-label={t.shouldOf(row.name)} />
                    </label>
                  ) : row.should_be_running ? (
                    texts.value.yes
                  ) : (
                    texts.value.no
                  ),
              },
              { title: t.checked, cell: (row) => <When time={row.last_checked} /> },
            ]}
          />
        )
      }
    </Loaded>
  );
}

/** Services that should be running and don't come first. */
function rank(service: Service): number {
  return service.should_be_running && service.status !== "running" ? 0 : 1;
}
