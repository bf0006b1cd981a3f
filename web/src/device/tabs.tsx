// What the tabs below a device's charts hold.
import type { AgentDetail } from "../api/schema";
import { AlertsTab } from "./alerts_tab";
import { AuditTab } from "./audit_tab";
import { CommandsTab } from "./commands_tab";
import { DisksTab } from "./disks_tab";
import { EventsTab } from "./events_tab";
import { ServicesTab } from "./services_tab";
import { SettingsTab } from "./settings_tab";
import { SoftwareTab } from "./software_tab";

export function DeviceTab({ chosen, device, reload }: { chosen: string; device: AgentDetail; reload: () => void }) {
  return (
    <>
      {chosen === "services" && <ServicesTab id={device.id} />}
      {chosen === "software" && <SoftwareTab id={device.id} />}
      {chosen === "commands" && <CommandsTab device={device} />}
      {chosen === "alerts" && <AlertsTab id={device.id} />}
      {chosen === "events" && <EventsTab id={device.id} />}
      {chosen === "disks" && <DisksTab id={device.id} />}
      {chosen === "audit" && <AuditTab id={device.id} />}
      {chosen === "settings" && <SettingsTab device={device} reload={reload} />}
    </>
  );
}
