// Alerts as rows, worst and oldest first, on request grouped by rule, device or customer.
import type { Alert } from "../api/schema";
import { isEmployee } from "../api/session";
import { number } from "../lib/format";
import { param, withParams } from "../lib/url";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Name } from "../ui/name";
import { SeverityWord } from "../ui/status";
import { picked } from "./page";
import { isOpen, isSnoozed, StateWord, Ticket, whatOf } from "./parts";

const RANK = { critical: 0, warning: 1, info: 2 } as const;

function sorted(alerts: Alert[]): Alert[] {
  if (!alerts.some(isOpen)) return alerts; // the history is newest first, as it comes
  return [...alerts].sort((a, b) => RANK[a.severity] - RANK[b.severity] || a.triggered_at.localeCompare(b.triggered_at));
}

function groupOf(alert: Alert, by: string): string {
  return by === "rule" ? alert.alert_name : by === "device" ? alert.device_name : alert.business.business_name;
}

export function AlertGroups({ alerts, chosen, withBoxes }: { alerts: Alert[]; chosen: string; withBoxes: boolean }) {
  const by = param("group");
  if (!by) return <Rows alerts={sorted(alerts)} chosen={chosen} withBoxes={withBoxes} />;
  const groups = new Map<string, Alert[]>();
  for (const alert of sorted(alerts)) groups.set(groupOf(alert, by), [...(groups.get(groupOf(alert, by)) ?? []), alert]);
  return (
    <>
      {[...groups].map(([name, rows]) => (
        <section key={name} class="alert-group">
          <h2>
            <Name of={name} /> <span class="faint">{number(rows.length)}</span>
          </h2>
          <Rows alerts={rows} chosen={chosen} withBoxes={withBoxes} />
        </section>
      ))}
    </>
  );
}

function pick(ids: string[], on: boolean): void {
  const next = new Set(picked.value);
  for (const id of ids) on ? next.add(id) : next.delete(id);
  picked.value = next;
}

function Rows({ alerts, chosen, withBoxes }: { alerts: Alert[]; chosen: string; withBoxes: boolean }) {
  const t = texts.value.alerts;
  const every = alerts.every((alert) => picked.value.has(alert.id));
  return (
    <div class="table-box">
      <table class="cards alert-rows">
        <thead>
          <tr>
            {withBoxes && (
              <th scope="col" class="box">
                <input type="checkbox" aria-label={t.selectAll(alerts.length)} checked={every} onChange={() => pick(alerts.map((alert) => alert.id), !every)} />
              </th>
            )}
            <th scope="col">{t.severity}</th>
            <th scope="col">{t.what}</th>
            <th scope="col">{t.device}</th>
            <th scope="col">{t.since}</th>
            <th scope="col">{t.state}</th>
            <th scope="col" class="ticket">{t.ticket}</th>
          </tr>
        </thead>
        <tbody>
          {alerts.map((alert) => (
            <tr key={alert.id} class={alert.id === chosen ? "chosen" : ""}>
              {withBoxes && (
                <td class="box">
                  <input type="checkbox" aria-label={t.selectOne(alert.alert_name, alert.device_name)} checked={picked.value.has(alert.id)} onChange={(event) => pick([alert.id], event.currentTarget.checked)} />
                </td>
              )}
              <td data-title={t.severity} class="short">
                <SeverityWord severity={alert.severity} quiet={!isOpen(alert) || isSnoozed(alert)} />
              </td>
              <td data-title={t.what}>
                <a href={withParams({ alert: alert.id })} aria-current={alert.id === chosen ? "true" : undefined}>
                  <Name of={alert.alert_name} />
                </a>
                <div class="faint">
                  <Name of={whatOf(alert)} />
                </div>
              </td>
              <td data-title={t.device} class="name">
                <a href={`/dashboard/agents/${alert.agent_id}`}>
                  <Name of={alert.device_name} />
                </a>
                {isEmployee.value && (
                  <div class="faint">
                    <Name of={alert.business.business_name} />
                  </div>
                )}
              </td>
              <td data-title={t.since} class="short">
                <When time={alert.triggered_at} />
              </td>
              <td data-title={t.state} class="words">
                <StateWord alert={alert} />
              </td>
              <td data-title={t.ticket} class="ticket">
                <Ticket alert={alert} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
