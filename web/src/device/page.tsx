// A device: its faults and since when; its charts, and everything else in tabs.
import { useGet, type Resource } from "../lib/resource";
import { useEffect } from "preact/hooks";
import { ApiError } from "../api/call";
import type { AlertPage } from "../api/pending";
import { isEmployee } from "../api/session";
import type { AgentDetail, Alert } from "../api/schema";
import { DeviceTab } from "../later/parts";
import { followDevices, onMessage, type Message } from "../lib/live";
import { shown } from "../lib/names";
import { currentRange } from "../lib/range";
import { param } from "../lib/url";
import { alertsChanged } from "../shell/counts";
import { texts } from "../texts";
import { Tabs } from "../ui/controls";
import { ErrorBox, NotFound, Skeleton } from "../ui/states";
import { useAnnotations } from "./annotations";
import { DeviceCharts } from "./charts";
import { DeviceHead, OpenAlerts } from "./head";
import { StatusLane } from "./lane";
import { RangeBar } from "./range_bar";

/** Read the device again after a message of the live channel about it. */
function useDevice(id: string): Resource<AgentDetail> {
  const device = useGet<AgentDetail>(`/api/agents/${id}`, {}, { every: 60 });
  useEffect(() => {
    const leave = followDevices([id]);
    const again = (message: Message) => {
      if (message.agent_id === id) device.reload();
    };
    const stops = [onMessage("status", again), onMessage("event", again)];
    return () => {
      leave();
      for (const stop of stops) stop();
    };
  }, [id]);
  return device;
}

export function DevicePage({ parts }: { parts: Record<string, string> }) {
  const id = parts.id ?? "";
  const device = useDevice(id);
  const range = currentRange();
  const annotations = useAnnotations(device.data, range);
  const open = useGet<AlertPage>(`/api/agents/${id}/alerts`, { status: "active,acknowledged" }, { keep: true, every: 60, turn: alertsChanged.value });
  const name = device.data?.device_name;
  useEffect(() => {
    if (name) document.title = `${shown(name)} · ${texts.value.brand}`;
  }, [name]);
  if (device.error instanceof ApiError && [404, 422].includes(device.error.status) && !device.data) return <NotFound />;
  return (
    <main class="page device-page" id="content" tabIndex={-1}>
      {device.error && <ErrorBox error={device.error} retry={device.reload} />}
      {device.data ? <DeviceHead device={device.data} reload={device.reload} /> : !device.error && <Skeleton lines={2} />}
      {device.data && <OpenAlerts alerts={open.data?.alerts ?? []} reload={open.reload} />}
      {device.data && (
        <>
          <RangeBar range={range} />
          {annotations.error && <NoMarks reload={annotations.reload} />}
          <StatusLane annotations={annotations.data} range={range} id={id} />
          <DeviceCharts device={device.data} range={range} annotations={annotations.data} />
          <DeviceTabs device={device.data} reload={device.reload} openAlerts={open.data?.alerts ?? []} />
        </>
      )}
    </main>
  );
}

/** The charts are whole without marks: a fault of theirs takes one quiet line. */
function NoMarks({ reload }: { reload: () => void }) {
  const t = texts.value;
  return (
    <p class="chart-notes faint" role="status">
      {t.lane.unread}{" "}
      <button type="button" class="plain small" onClick={reload}>
        {t.errors.retry}
      </button>
    </p>
  );
}

function DeviceTabs({ device, reload, openAlerts }: { device: AgentDetail; reload: () => void; openAlerts: Alert[] }) {
  const t = texts.value.device.tabs;
  const tabs: Array<[string, string]> = [
    ["services", t.services],
    ["disks", t.disks],
    ["software", t.software],
    ["commands", t.commands],
    ["alerts", openAlerts.length ? `${t.alerts} (${openAlerts.length})` : t.alerts],
    ["events", t.events],
  ];
  if (isEmployee.value) tabs.push(["audit", t.audit], ["settings", t.settings]);
  const asked = param("tab");
  const chosen = tabs.some(([key]) => key === asked) ? asked : "services";
  return (
    <section class="device-tabs">
      <Tabs name="tab" label={t.label} chosen={chosen} tabs={tabs} />
      <div class="tab-body">
        <DeviceTab chosen={chosen} device={device} reload={reload} />
      </div>
    </section>
  );
}
