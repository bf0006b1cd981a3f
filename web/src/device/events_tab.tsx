// What happened on a device and to it.
import type { DeviceEvent } from "../api/schema";
import { usePages } from "../lib/pages";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { PagedTable } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { eventWords } from "./event_words";

const TYPES = ["status_changed", "service_crashed", "alert_firing", "alert_resolved", "alert_found_late", "clone_suspected", "device_changed"];

export function EventsTab({ id }: { id: string }) {
  const t = texts.value.events;
  const type = param("event");
  const list = usePages<DeviceEvent>(`/api/agents/${id}/events`, { event_type: type, limit: 100 }, "events", { every: 60 });
  const types = [...new Set([...TYPES, ...(list.rows ?? []).map((row) => row.event_type)])];
  return (
    <>
      <div class="tab-tools">
        <label class="inline">
          {t.type}
          <select value={type} onChange={(event) => setParams({ event: event.currentTarget.value })}>
            <option value="">{t.all}</option>
            {types.map((name) => (
              <option key={name} value={name}>
                {t.names[name] ?? name}
              </option>
            ))}
          </select>
        </label>
      </div>
      <PagedTable
        of={list}
        label={texts.value.device.tabs.events}
        keyOf={(row) => row.id}
        empty={<Empty title={type ? t.noneOfType : t.empty} />}
        heads={[
          { title: t.when, cell: (row) => <When time={row.occurred_at} at /> },
          { title: t.type, cell: (row) => t.names[row.event_type] ?? row.event_type },
          { title: t.details, cell: (row) => <Name class="details" of={eventWords(row.data)} /> },
        ]}
      />
    </>
  );
}
