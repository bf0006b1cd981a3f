// How many alerts are open, in the rail: read once, again after each hint of the live channel.
import { useGet } from "../lib/resource";
import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Summary } from "../api/pending";
import { followScope, onMessage } from "../lib/live";
import { number } from "../lib/format";
import { texts } from "../texts";

/** Counts up with each change of an alert; pages that show alerts read again then. */
export const alertsChanged = signal(0);

/** Follow the alerts of the fleet for as long as the tab is open. */
export function useAlertHints(): void {
  useEffect(() => {
    const leave = followScope({ scope: "alerts" });
    const changed = () => {
      alertsChanged.value++;
    };
    const stops = [onMessage("alerts", changed), onMessage("event", (message) => String(message.event_type).startsWith("alert_") && changed())];
    return () => {
      leave();
      for (const stop of stops) stop();
    };
  }, []);
}

export function OpenAlertCount() {
  useAlertHints();
  const summary = useGet<Summary>("/api/agents/summary", {}, { every: 60, keep: true, turn: alertsChanged.value });
  const open = summary.data?.open_alerts;
  const critical = open?.critical ?? 0;
  const others = (open?.warning ?? 0) + (open?.info ?? 0);
  if (!critical && !others) return null;
  const t = texts.value.nav;
  return (
    <span class={critical ? "count critical" : "count warning"} title={t.openAlerts(critical, others)}>
      {number(critical || others)}
      <span class="unseen"> {t.openAlerts(critical, others)}</span>
    </span>
  );
}
