// What employees do with alerts, one or many: acknowledge, snooze, resolve; it can be undone for 5 seconds.
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import { ApiError, call } from "../api/call";
import type { Alert, BulkOutcomes } from "../api/schema";
import { may } from "../api/session";
import { serverNow } from "../lib/clock";
import { zone, number } from "../lib/format";
import { fromLocal, toLocal } from "../lib/zones";
import { alertsChanged } from "../shell/counts";
import { texts } from "../texts";
import { Field, sayFault } from "../ui/controls";
import { Dialog, Menu } from "../ui/dialog";
import { doSoon, say } from "../ui/toasts";
import { isOpen } from "./parts";

type Action = "acknowledge" | "snooze" | "resolve";

/** Alerts whose action waits for its 5 seconds: shown as if it were done. */
export const underway = signal<ReadonlyMap<string, Action>>(new Map());

function mark(ids: string[], action: Action | null): void {
  const next = new Map(underway.value);
  for (const id of ids) action ? next.set(id, action) : next.delete(id);
  underway.value = next;
}

const MOST = 500; // alerts a call

/** Send one action for all alerts; those that had ended before are counted, any other refusal is a fault. */
async function send(action: Action, ids: string[], extra: { minutes?: number; note?: string | null }): Promise<void> {
  let ended = 0;
  for (let first = 0; first < ids.length; first += MOST) {
    const { outcomes } = await call<BulkOutcomes>("POST", "/api/agents/alerts/bulk", { body: { action, ids: ids.slice(first, first + MOST), ...extra } });
    const refused = outcomes.flatMap((one) => one.code ?? []);
    const fault = refused.find((code) => code !== "alert_ended");
    if (fault) throw new ApiError(409, fault, "");
    ended += refused.length;
  }
  if (ended) say(texts.value.alerts.someEnded(number(ended)), true);
}

/** Do an action after 5 seconds in which it can be taken back. */
export function act(action: Action, alerts: Alert[], done: () => void, extra: { minutes?: number; note?: string | null } = {}): void {
  const ids = alerts.filter(isOpen).map((alert) => alert.id);
  if (!ids.length) return;
  mark(ids, action);
  const finish = () => {
    mark(ids, null);
    alertsChanged.value++;
    done();
  };
  doSoon(
    texts.value.alerts.did[action](number(ids.length)),
    () => {
      send(action, ids, extra).catch((error: unknown) => sayFault(error instanceof ApiError ? error : new ApiError(0, "page_fault", String(error)))).finally(finish);
    },
    () => mark(ids, null),
  );
}

const SNOOZES = [15, 60, 240] as const;

/** Minutes until the next 08:00 in the page's zone. */
export function untilMorning(): number {
  const at = serverNow();
  const today = toLocal(at, zone.value).slice(0, 10);
  let morning = fromLocal(`${today}T08:00`, zone.value);
  if (morning <= at) morning = fromLocal(`${toLocal(morning + 26 * 3_600_000, zone.value).slice(0, 10)}T08:00`, zone.value);
  return Math.ceil((morning - at) / 60_000);
}

export function AlertActions({ alerts, done, small = false }: { alerts: Alert[]; done: () => void; small?: boolean }) {
  const t = texts.value.alerts;
  const [isResolving, resolve] = useState(false);
  if (!may("handle_alerts") || !alerts.some(isOpen)) return null;
  const busy = alerts.every((alert) => underway.value.has(alert.id));
  const size = small ? "small" : "";
  const snoozed = alerts.some((alert) => alert.snoozed_until);
  return (
    <span class="alert-actions no-print">
      {alerts.some((alert) => alert.status === "active") && (
        <button type="button" class={size} disabled={busy} onClick={() => act("acknowledge", alerts, done)}>
          {t.acknowledge}
        </button>
      )}
      <Menu label={t.snooze} class={size} align="right">
        {(close) => (
          <div class="menu-form">
            {SNOOZES.map((minutes) => (
              <button key={minutes} type="button" class="choice" onClick={() => (close(), act("snooze", alerts, done, { minutes }))}>
                {t.snoozes[minutes]}
              </button>
            ))}
            <button type="button" class="choice" onClick={() => (close(), act("snooze", alerts, done, { minutes: untilMorning() }))}>
              {t.untilMorning}
            </button>
            {snoozed && (
              <button type="button" class="choice" onClick={() => (close(), act("snooze", alerts, done, { minutes: 0 }))}>
                {t.wake}
              </button>
            )}
          </div>
        )}
      </Menu>
      <button type="button" class={size} disabled={busy} onClick={() => resolve(true)}>
        {t.resolve}
      </button>
      {isResolving && <ResolveDialog alerts={alerts} done={done} close={() => resolve(false)} />}
    </span>
  );
}

function ResolveDialog({ alerts, done, close }: { alerts: Alert[]; done: () => void; close: () => void }) {
  const t = texts.value.alerts;
  const [note, setNote] = useState("");
  return (
    <Dialog title={t.resolveTitle(alerts.length)} close={close}>
      <p>{t.resolveHelp}</p>
      <Field label={t.notes}>{(id) => <textarea id={id} rows={3} maxLength={2000} value={note} onInput={(event) => setNote(event.currentTarget.value)} />}</Field>
      <footer>
        <button
          type="button"
          class="primary"
          onClick={() => {
            close();
            act("resolve", alerts, done, { note: note.trim() || null });
          }}
        >
          {t.resolve}
        </button>
      </footer>
    </Dialog>
  );
}
