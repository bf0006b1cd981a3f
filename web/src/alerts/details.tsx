// The chosen alert: what, since when, its chart two hours around, and why it fired or didn't, in words.
import { useGet, ONCE, useResource } from "../lib/resource";
import { isEmployee } from "../api/session";
import type { AgentDetail, Alert, HistoryColumns, TransitionList } from "../api/schema";
import { Chart } from "../charts/chart";
import { chartData } from "../charts/data";
import { useAnnotations } from "../device/annotations";
import { GROUPS, readHistory } from "../device/charts";
import { serverNow } from "../lib/clock";
import { millis } from "../lib/format";
import { metricName } from "../lib/measures";
import { shown } from "../lib/names";
import { iso } from "../lib/range";
import { withParams } from "../lib/url";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Icon } from "../ui/icons";
import { Name } from "../ui/name";
import { Loaded, Skeleton } from "../ui/states";
import { SeverityWord } from "../ui/status";
import { AlertActions } from "./actions";
import { StateWord, Ticket, inWords, metricOf, reasonWords, whatOf } from "./parts";

const AROUND_MS = 2 * 3_600_000;

export function AlertDetails({ alert, done }: { alert: Alert; done: () => void }) {
  const t = texts.value.alerts;
  return (
    <aside class="split-detail" aria-label={shown(alert.alert_name)}>
      <header>
        <h2>
          <Name of={alert.alert_name} />
        </h2>
        <a class="button plain icon-only" href={withParams({ alert: null })} aria-label={texts.value.close}>
          <Icon name="close" />
        </a>
      </header>
      <p>
        <SeverityWord severity={alert.severity} /> <StateWord alert={alert} />
      </p>
      <p>
        <a href={`/dashboard/agents/${alert.agent_id}?${aroundQuery(alert)}`}>
          <Name of={alert.device_name} />
        </a>{" "}
        <span class="faint">
          <Name of={alert.business.business_name} />
        </span>
      </p>
      <p>
        <Name of={whatOf(alert)} />
      </p>
      <dl class="facts-list">
        <div>
          <dt>{t.since}</dt>
          <dd>
            <When time={alert.triggered_at} at /> (<When time={alert.triggered_at} />)
          </dd>
        </div>
        {alert.resolved_at && (
          <div>
            <dt>{t.until}</dt>
            <dd>
              <When time={alert.resolved_at} at />
            </dd>
          </div>
        )}
        <div>
          <dt>{t.ticket}</dt>
          <dd>
            <Ticket alert={alert} />
          </dd>
        </div>
        {alert.acknowledged_at && (
          <div>
            <dt>{t.states.acknowledged}</dt>
            <dd>
              <When time={alert.acknowledged_at} at /> <Name of={alert.acknowledged_by_name} /> <Name class="faint" of={alert.acknowledgement_note} />
            </dd>
          </div>
        )}
        {alert.resolved_by_name && (
          <div>
            <dt>{t.states.resolved}</dt>
            <dd>
              <Name of={alert.resolved_by_name} />
            </dd>
          </div>
        )}
        {alert.resolution_notes && (
          <div>
            <dt>{t.notes}</dt>
            <dd>
              <Name of={reasonWords(alert.resolution_notes)} />
            </dd>
          </div>
        )}
      </dl>
      <AlertActions alerts={[alert]} done={done} />
      <AlertChart alert={alert} />
      {isEmployee.value && <Course alert={alert} />}
    </aside>
  );
}

function spanOf(alert: Alert): { from: number; to: number } {
  const from = millis(alert.triggered_at) - AROUND_MS;
  const end = alert.resolved_at ? millis(alert.resolved_at) + AROUND_MS : serverNow();
  return { from, to: Math.max(from + AROUND_MS, Math.min(end, serverNow())) };
}

function aroundQuery(alert: Alert): URLSearchParams {
  const { from, to } = spanOf(alert);
  return new URLSearchParams({ from: iso(from), to: iso(to) });
}

function AlertChart({ alert }: { alert: Alert }) {
  const metric = metricOf(alert) ?? "cpu_percent";
  const device = useGet<AgentDetail>(`/api/agents/${alert.agent_id}`, {}, ONCE);
  const { from, to } = spanOf(alert);
  const range = { from, to, isLive: false, key: alert.id, preset: "", isFaulty: false };
  const history = useResource<HistoryColumns>(`alert ${alert.id}`, (signal) => readHistory(alert.agent_id, range, 300, metric, 0, signal), { poll: false });
  const annotations = useAnnotations(device.data, range);
  const group = GROUPS.find((one) => one.metrics.includes(metric));
  return (
    <Loaded of={history} skeleton={<Skeleton lines={5} />}>
      {(found) => (
        <Chart
          title={metricName(metric)}
          name={`${alert.device_name}-${metric}`}
          lines={[{ metric, label: metricName(metric) }]}
          unit={found.units[metric] ?? ""}
          isBounded={group?.isBounded ?? false}
          data={chartData(found, [{ metric, label: metric }])}
          from={from}
          to={to}
          annotations={annotations.data}
          patience={3 * found.expected_interval_seconds}
        />
      )}
    </Loaded>
  );
}

/** The metric of the values in the course of an alert; null where they only say whether a service ran or data came. */
function valuesOf(alert: Alert): string | null {
  if (["service", "no_data", "offline"].includes(alert.rule_kind ?? "")) return null;
  return alert.rule_kind === "metric" || alert.rule_kind === "series" ? alert.metric : "";
}

/** Each change of the rule's state on this device, with its reason. */
function Course({ alert }: { alert: Alert }) {
  const t = texts.value.alerts;
  const course = useGet<TransitionList>(`/api/agents/alerts/${alert.rule_id}/transitions`, { agent_id: alert.agent_id, instance: alert.instance, limit: 30 }, ONCE);
  return (
    <section class="course">
      <h3>{t.why}</h3>
      <Loaded of={course} skeleton={<Skeleton lines={3} />}>
        {({ transitions }) =>
          transitions.length ? (
            <ol>
              {transitions.map((one) => (
                <li key={one.id}>
                  <When time={one.at} at /> {inWords(one, valuesOf(alert))}
                </li>
              ))}
            </ol>
          ) : (
            <p class="faint">{t.noCourse}</p>
          )
        }
      </Loaded>
      <p>
        <a href={`/admin/agents/alerts/${alert.rule_id}`}>{t.toRule}</a>
      </p>
    </section>
  );
}
