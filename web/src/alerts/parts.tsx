// How an alert stands, in words, and its ticket.
import type { Alert, AlertTransition } from "../api/schema";
import { me } from "../api/session";
import { now } from "../lib/clock";
import { duration, millis, shortTime, withUnit } from "../lib/format";
import { metricName, unitOf } from "../lib/measures";
import { texts } from "../texts";

export function isSnoozed(alert: Alert): boolean {
  return alert.snoozed_until !== null && millis(alert.snoozed_until) > now.value;
}

export function isOpen(alert: Alert): boolean {
  return alert.status === "active" || alert.status === "acknowledged";
}

/** The metric that an alert is of: the first one of several. */
export function metricOf(alert: Alert): string | null {
  return alert.metric ?? alert.metrics[0] ?? null;
}

/** Open, acknowledged by whom, snoozed until when, ended how. */
export function StateWord({ alert }: { alert: Alert }) {
  const t = texts.value.alerts;
  const by = alert.acknowledged_by_name ? ` · ${alert.acknowledged_by_name}` : "";
  const parts: string[] = [];
  if (!isOpen(alert)) parts.push(alert.found_late ? t.foundLate : t.states[alert.status]);
  else if (isSnoozed(alert)) parts.push(t.snoozedUntil(shortTime(alert.snoozed_until)));
  else parts.push(t.states[alert.status] + (alert.status === "acknowledged" ? by : ""));
  if (alert.state === "no_data") parts.push(t.noData);
  if (alert.state === "error") parts.push(t.ruleFault);
  if (alert.state === "recovering") parts.push(t.recovering);
  return <span class={`word ${isOpen(alert) && !isSnoozed(alert) ? (alert.status === "acknowledged" ? "info" : alert.severity) : "stale"}`}>{parts.join(" · ")}</span>;
}

/** `CPU 97 % against 90 %` where the rule compares one metric with a threshold, the days until a forecast comes true, else the message. */
export function whatOf(alert: Alert): string {
  const metric = alert.metric && alert.metric_value !== null ? alert.metric : null;
  const name = metric ? metricName(metric) + (alert.instance && ` (${alert.instance})`) : "";
  if (metric && (alert.rule_kind === "forecast" || alert.rule_kind === "series_forecast")) return texts.value.alerts.reaches(name, duration((alert.metric_value ?? 0) * 86_400));
  if (metric && (alert.rule_kind === "metric" || alert.rule_kind === "series")) {
    const unit = unitOf(metric);
    const limit = alert.threshold_value === null ? "" : ` ${texts.value.alerts.limit(withUnit(alert.threshold_value, unit))}`;
    return `${name} ${withUnit(alert.metric_value, unit)}${limit}`;
  }
  return alert.alert_message ?? "";
}

export function Ticket({ alert }: { alert: Alert }) {
  const id = alert.service_request_created;
  if (!id) return <span class="faint">{alert.ticket_note ?? "–"}</span>;
  const number = alert.ticket_number ?? id.slice(0, 8);
  const template = me.value?.ticket_url;
  if (!template) return <span>{number}</span>;
  return (
    <a href={template.replaceAll("{id}", encodeURIComponent(id)).replaceAll("{number}", encodeURIComponent(number))} target="_blank" rel="noopener">
      {number}
    </a>
  );
}

/** Why a rule changed its state, in the person's language; the server keeps it in English. */
export const reasonWords = (reason: string) => texts.value.alerts.reasons[reason] ?? reason;

/** A change of a rule's state on a device, with its reason; the values are of `metric`, which is null where they only say yes or no. */
export function inWords(one: Pick<AlertTransition, "from_state" | "to_state" | "reason" | "value"> & { threshold?: number | null }, metric: string | null = ""): string {
  const t = texts.value.alerts;
  const unit = unitOf(metric ?? "");
  const limit = one.threshold === null || one.threshold === undefined ? "" : ` / ${withUnit(one.threshold, unit)}`;
  const value = one.value === null || metric === null ? "" : ` (${withUnit(one.value, unit)}${limit})`;
  return `${t.machine[one.from_state]} → ${t.machine[one.to_state]}: ${reasonWords(one.reason)}${value}`;
}
