// Maintenance windows: running, coming and past ones; employees make, change and delete them.
import type { MaintenanceWindow } from "../api/schema";
import { useState } from "preact/hooks";
import { call } from "../api/call";
import { isEmployee, may } from "../api/session";
import { duration, shortTime, weekday } from "../lib/format";
import { usePages } from "../lib/pages";
import { param } from "../lib/url";
import { texts } from "../texts";
import { ActButton, Tabs, When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { say } from "../ui/toasts";
import { WindowDialog } from "./dialog";


/** `Sat 22:00, 4 h (Europe/Berlin)`, or from when to when. */
export function whenOf(window: MaintenanceWindow): string {
  if (window.starts_at) return `${shortTime(window.starts_at)} – ${shortTime(window.ends_at)}`;
  const days = (window.weekdays ?? []).map((day) => weekday(day)).join(", ");
  return `${days} ${window.local_start}, ${duration((window.duration_minutes ?? 0) * 60)} (${window.time_zone})`;
}

/** Whether it neither runs nor begins again; one that can't be read stays until somebody mends it. */
function isOver(window: MaintenanceWindow): boolean {
  return !window.is_running && window.next_start === null && window.error_message === null;
}

export function MaintenancePage() {
  const t = texts.value.maintenance;
  const tab = param("state") === "past" ? "past" : "current";
  const [edited, edit] = useState<MaintenanceWindow | "new" | null>(null);
  const [deleted, remove] = useState<MaintenanceWindow | null>(null);
  const list = usePages<MaintenanceWindow>("/api/agents/maintenance-windows", { limit: 500 }, "windows", { every: 60 });
  const rows = list.rows?.filter((window) => isOver(window) === (tab === "past")).sort((a, b) => Number(b.is_running) - Number(a.is_running) || (a.next_start ?? "").localeCompare(b.next_start ?? ""));
  const heads: Array<Head<MaintenanceWindow>> = [
    { title: t.name, cell: (row) => <Name of={row.window_name} /> },
    { title: t.where, cell: (row) => <Name of={placeOf(row)} /> },
    { title: t.when, cell: (row) => whenOf(row) },
    { title: t.state, cell: (row) => (row.error_message ? <span class="word warning">{row.error_message}</span> : row.is_running ? <span class="word info">{t.running}</span> : row.next_start ? <>{t.next} <When time={row.next_start} at /></> : isOver(row) ? t.over : "–") },
  ];
  if (isEmployee.value) heads.push({ title: t.by, cell: (row) => <Name of={row.created_by_name ?? "–"} /> });
  if (may("maintenance")) {
    heads.push({
      title: t.actions,
      cell: (row) => (
        <span class="buttons">
          <button type="button" class="small" onClick={() => edit(row)}>
            {texts.value.change}
          </button>
          <button type="button" class="small" onClick={() => remove(row)}>
            {texts.value.remove}
          </button>
        </span>
      ),
    });
  }
  const close = () => {
    edit(null);
    list.reload();
  };
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.maintenance}</h1>
        <span class="grow" />
        {may("maintenance") && (
          <button type="button" class="primary" onClick={() => edit("new")}>
            {t.make}
          </button>
        )}
      </div>
      <p class="faint">{t.sentence}</p>
      <Tabs name="state" label={texts.value.nav.maintenance} chosen={tab} tabs={[["current", t.current], ["past", t.past]]} />
      <PagedTable of={{ ...list, rows }} heads={heads} keyOf={(row) => row.id} label={texts.value.nav.maintenance} empty={<Empty title={tab === "past" ? t.nonePast : t.empty} />} />
      {edited && <WindowDialog first={edited === "new" ? {} : edited} close={close} />}
      {deleted && (
        <Dialog title={t.removeTitle} close={() => remove(null)}>
          <p>{t.removeHelp(deleted.window_name)}</p>
          <footer>
            <ActButton
              class="primary"
              act={async () => {
                await call("DELETE", `/api/agents/maintenance-windows/${deleted.id}`);
                say(t.removed);
                remove(null);
                list.reload();
              }}
            >
              {texts.value.remove}
            </ActButton>
          </footer>
        </Dialog>
      )}
    </main>
  );
}

function placeOf(window: MaintenanceWindow): string {
  return [window.business_name, window.location_name ?? (window.service_location_id && texts.value.maintenance.oneSite), window.device_name ?? (window.agent_device_id && texts.value.maintenance.oneDevice)].filter(Boolean).join(" / ") || "–";
}
