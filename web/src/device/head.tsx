// The head of a device's page: who it is, how it stands, its open alerts.
import type { AgentDetail, Alert } from "../api/schema";
import { may } from "../api/session";
import { AlertActions } from "../alerts/actions";
import { whatOf } from "../alerts/parts";
import { CommandDialog, EmbedDialog, WindowDialog } from "../later/parts";
import { isStale } from "../lib/clock";
import { duration, withUnit } from "../lib/format";
import { currentRange, iso } from "../lib/range";
import { setParams } from "../lib/url";
import { osName, typeName } from "../fleet/columns";
import { texts } from "../texts";
import { Menu } from "../ui/dialog";
import { copy, When } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Name } from "../ui/name";
import { SeverityWord, StatusWord } from "../ui/status";
import { useState } from "preact/hooks";

export function seenAt(device: AgentDetail): string | null {
  const times = [device.last_heartbeat, device.last_metrics_received].filter((time) => time !== null);
  return times.sort().at(-1) ?? null;
}

export function DeviceHead({ device, reload }: { device: AgentDetail; reload: () => void }) {
  const t = texts.value.device;
  const uptime = device.current_metrics.uptime_seconds;
  const facts = [
    <a key="b" href={`/dashboard/agents?business=${device.business.id}`}>
      <Name of={device.business.business_name} />
    </a>,
    device.service_location?.location_name && <Name key="s" of={device.service_location.location_name} />,
    device.os_type && osName({ os: device.os_type ?? "", osVersion: device.os_version ?? "" }),
    device.device_type && typeName(device.device_type),
    device.ip_address,
    device.hostname && device.hostname !== device.device_name && <Name key="h" of={device.hostname} />,
    typeof uptime === "number" && device.status !== "offline" && t.up(duration(uptime)),
    device.agent_version && t.agent(device.agent_version),
  ].filter(Boolean);
  return (
    <header class="device-head">
      <div class="title-line">
        <h1>
          <Name of={device.device_name} />
        </h1>
        <StatusWord status={device.status} stale={isStale.value} />
        <span class="faint">
          {seenAt(device) ? (
            <>
              {t.seen} <When time={seenAt(device)} />
            </>
          ) : (
            t.neverSeen
          )}
        </span>
        <span class="grow" />
        <HeadTools device={device} reload={reload} />
      </div>
      <ul class="facts">
        {facts.map((fact, index) => (
          <li key={index}>{fact}</li>
        ))}
      </ul>
      <Notes device={device} />
    </header>
  );
}

/** Unusual states of the device, in sentences. */
function Notes({ device }: { device: AgentDetail }) {
  const t = texts.value.device;
  return (
    <>
      {device.decommissioned_at && (
        <p class="banner info">
          {t.decommissioned} <When time={device.decommissioned_at} at />
          {device.decommission_reason && <> · <Name of={device.decommission_reason} /></>}
        </p>
      )}
      {!device.is_active && !device.decommissioned_at && <p class="banner info">{t.deactivated}</p>}
      {device.clone_suspected_at && (
        <p class="banner warn">
          {t.clone} <When time={device.clone_suspected_at} at />
        </p>
      )}
      {device.status === "offline" && device.is_active && <OfflineNote device={device} />}
    </>
  );
}

/** An offline device: since when, and the last values it sent. */
function OfflineNote({ device }: { device: AgentDetail }) {
  const t = texts.value.device;
  const sample = device.current_metrics as Record<string, number | string | null>;
  const values = (["cpu_percent", "memory_percent", "disk_percent"] as const).flatMap((name) => (typeof sample[name] === "number" ? `${texts.value.metrics[name]} ${withUnit(sample[name], "percent")}` : []));
  const last = device.last_metrics_received;
  return (
    <p class="banner info">
      {device.enrolled_at === null ? t.notEnrolled : t.offlineSince} <When time={device.status_changed_at} at />
      {values.length > 0 && (
        <span class="faint">
          {" "}
          {t.lastValues}: {values.join(", ")} (<When time={last} at />)
        </span>
      )}
      {last && (
        <button type="button" class="small" onClick={() => setParams(around(last), "push")}>
          {t.showLast}
        </button>
      )}
    </p>
  );
}

const DAY_MS = 86_400_000;

function around(last: string): { from: string; to: string } {
  const end = Math.ceil(Date.parse(last) / 60_000) * 60_000 + 600_000;
  return { from: new Date(end - DAY_MS).toISOString(), to: new Date(end).toISOString() };
}

function HeadTools({ device, reload }: { device: AgentDetail; reload: () => void }) {
  const t = texts.value.device;
  const [dialog, setDialog] = useState<"" | "command" | "window" | "embed">("");
  const close = () => {
    setDialog("");
    reload();
  };
  return (
    <div class="tools no-print">
      {may("order_commands") && device.is_active && (
        <button type="button" onClick={() => setDialog("command")}>
          <Icon name="commands" /> {t.command}
        </button>
      )}
      {may("maintenance") && (
        <button type="button" onClick={() => setDialog("window")}>
          <Icon name="maintenance" /> {t.window}
        </button>
      )}
      <Menu label="" icon="link" name={texts.value.tools.share} align="right">
        {(done) => (
          <div class="menu-form">
            <button type="button" class="choice" onClick={() => (void copy(absoluteLink()), done())}>
              {texts.value.tools.linkMoment}
            </button>
            <button type="button" class="choice" onClick={() => (void copy(location.href), done())}>
              {texts.value.tools.linkNewest}
            </button>
            <button type="button" class="choice" onClick={() => (done(), print())}>
              {texts.value.tools.print}
            </button>
            <button type="button" class="choice" onClick={() => (done(), setDialog("embed"))}>
              {texts.value.tools.embed}
            </button>
          </div>
        )}
      </Menu>
      {dialog === "command" && <CommandDialog device={device} close={close} />}
      {dialog === "window" && <WindowDialog first={{ agent_device_id: device.id, device_name: device.device_name }} close={close} />}
      {dialog === "embed" && <EmbedDialog device={device} close={() => setDialog("")} />}
    </div>
  );
}

/** The address of the present view: a moving range becomes that of this moment. */
function absoluteLink(): string {
  const url = new URL(location.href);
  const { from, to } = linkRange();
  url.searchParams.set("from", from);
  url.searchParams.set("to", to);
  return url.href;
}

function linkRange(): { from: string; to: string } {
  const range = currentRange();
  return { from: iso(range.from), to: iso(range.to) };
}

export function OpenAlerts({ alerts, reload }: { alerts: Alert[]; reload: () => void }) {
  const t = texts.value.device;
  if (!alerts.length) return null;
  return (
    <section class="open-alerts" aria-label={t.openAlerts(alerts.length)}>
      <ul>
        {alerts.slice(0, 4).map((alert) => (
          <li key={alert.id}>
            <SeverityWord severity={alert.severity} quiet={Boolean(alert.snoozed_until)} />
            <a href={`/dashboard/agents/alerts?alert=${alert.id}&agent=${alert.agent_id}`}>
              <Name of={alert.alert_name} />
            </a>
            <span class="faint">
              {texts.value.since} <When time={alert.triggered_at} at />
            </span>
            <span class="faint cut">
              <Name of={whatOf(alert)} />
            </span>
            <AlertActions alerts={[alert]} done={reload} small />
          </li>
        ))}
      </ul>
      {alerts.length > 4 && <a href="?tab=alerts">{t.moreAlerts(alerts.length - 4)}</a>}
    </section>
  );
}
