// Beside the form: how many alerts and tickets the rule would have made in the last days, by threshold.
import { useResource } from "../lib/resource";
import type { BacktestAnswer, BacktestOutcome, HistoryColumns } from "../api/schema";
import { inWords } from "../alerts/parts";
import { Chart } from "../charts/chart";
import { chartData } from "../charts/data";
import { readHistory } from "../device/charts";
import { now } from "../lib/clock";
import { duration, millis, number, withUnit } from "../lib/format";
import { metricName, unitOf } from "../lib/measures";
import { isNarrow } from "../lib/settings";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Name } from "../ui/name";
import { Empty, ErrorBox, Skeleton } from "../ui/states";
import { canBeTested, hasInstances, type Draft } from "./draft";
import type { WidePreview } from "./backtest";

export function RulePreview({ draft, preview, change }: { draft: Draft; preview: WidePreview; change: (threshold: number) => void }) {
  const t = texts.value.rules;
  const { answer } = preview;
  const chosen = answer && outcomeOf(answer, draft);
  const body = (
    <>
      {!canBeTested(draft) && <Empty title={t.cantBeTested} />}
      {preview.error && <ErrorBox error={preview.error} retry={preview.again} />}
      {answer ? <Tested draft={draft} preview={preview} answer={answer} change={change} /> : preview.busy && <Skeleton lines={8} label={t.testing} />}
    </>
  );
  const summary = chosen ? t.summary(chosen.alerts, chosen.tickets, preview.days) : t.preview;
  if (isNarrow.value) {
    return (
      <details class="preview">
        <summary>{summary}</summary>
        {body}
      </details>
    );
  }
  return (
    <section class="preview" aria-label={t.preview}>
      <h2>{t.preview}</h2>
      {body}
    </section>
  );
}

function outcomeOf(answer: BacktestAnswer, draft: Draft): BacktestOutcome | undefined {
  return answer.outcomes.find((one) => one.threshold === draft.threshold) ?? answer.outcomes[0];
}

function Tested({ draft, preview, answer, change }: { draft: Draft; preview: WidePreview; answer: BacktestAnswer; change: (threshold: number) => void }) {
  const t = texts.value.rules;
  const chosen = outcomeOf(answer, draft);
  const unit = unitOf(draft.metric);
  return (
    <>
      <p class="verdict" role="status" aria-busy={preview.busy}>
        {chosen && <strong>{t.wouldHave(number(chosen.alerts), number(chosen.tickets), preview.days)}</strong>}
        <span class="faint"> {preview.busy ? t.testingAsOf(duration((now.value - preview.at) / 1000)) : t.devicesTested(number(answer.devices), answer.level)}</span>
      </p>
      {answer.sampled && (
        <p class="banner info">
          {t.sampled(number(answer.devices), number(answer.reach_devices ?? answer.devices))}{" "}
          {!preview.isWide && (
            <button type="button" class="link" onClick={preview.widen}>
              {t.testMore}
            </button>
          )}
        </p>
      )}
      {draft.kind === "metric" && <Slider draft={draft} unit={unit} change={change} />}
      {answer.outcomes.length > 1 && (
        <div class="table-box">
          <table aria-label={t.byThreshold}>
            <thead>
              <tr>
                <th scope="col">{t.threshold}</th>
                <th scope="col" class="number">{t.alerts}</th>
                <th scope="col" class="number">{t.tickets}</th>
                <th scope="col" class="number">{t.devices}</th>
                <th scope="col" class="number">{t.flapping}</th>
                <th scope="col" class="number">{t.firing}</th>
              </tr>
            </thead>
            <tbody>
              {answer.outcomes.map((one) => (
                <tr key={one.threshold} class={one.threshold === draft.threshold ? "chosen" : ""}>
                  <th scope="row">
                    <button type="button" class="link" onClick={() => one.threshold !== null && change(one.threshold)}>
                      {withUnit(one.threshold, unit)}
                    </button>
                  </th>
                  <td class="number">{number(one.alerts)}</td>
                  <td class="number">{number(one.tickets)}</td>
                  <td class="number">{number(one.devices)}</td>
                  <td class="number">{number(one.flapping)}</td>
                  <td class="number">{duration(one.firing_minutes * 60)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {chosen && <Worst outcome={chosen} answer={answer} draft={draft} />}
      {answer.notes.length > 0 && (
        <ul class="faint notes">
          {answer.notes.map((note) => (
            <li key={note}>{note}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function Slider({ draft, unit, change }: { draft: Draft; unit: string; change: (threshold: number) => void }) {
  const t = texts.value.rules;
  const top = unit === "percent" ? 100 : Math.max(1, draft.threshold * 2);
  return (
    <label class="slider">
      <span>
        {t.threshold}: <output>{withUnit(draft.threshold, unit)}</output>
      </span>
      <input type="range" min={0} max={top} step={unit === "percent" ? 1 : top / 200} value={draft.threshold} onInput={(event) => change(Number(event.currentTarget.value))} />
    </label>
  );
}

/** The device with the most alerts: its chart with the threshold, and the course of its states. */
function Worst({ outcome, answer, draft }: { outcome: BacktestOutcome; answer: BacktestAnswer; draft: Draft }) {
  const t = texts.value.rules;
  const [worst] = outcome.worst;
  const metric = draft.kind === "metric" && !hasInstances(draft.metric) ? draft.metric : null;
  const from = millis(answer.begin);
  const to = millis(answer.end);
  const range = { from, to, isLive: false, key: "", preset: "", isFaulty: false };
  const key = worst && metric ? `worst ${worst.agent_id} ${metric} ${answer.begin}` : null;
  const history = useResource<HistoryColumns>(key, (signal) => readHistory(worst!.agent_id, range, 400, metric!, 0, signal), { keep: true, poll: false });
  if (!worst) return <Empty title={t.wouldBeQuiet} />;
  return (
    <section class="worst">
      <h3>
        {t.worst}: <a href={`/dashboard/agents/${worst.agent_id}`}><Name of={worst.device_name} /></a>{" "}
        <span class="faint">
          {t.summary(worst.alerts, worst.tickets, Math.round((to - from) / 86_400_000))}
          {worst.is_flapping && ` · ${t.isFlapping}`}
        </span>
      </h3>
      {metric && history.data && (
        <Chart
          title={metricName(metric)}
          name={`${worst.device_name}-${metric}`}
          lines={[{ metric, label: metricName(metric) }]}
          unit={history.data.units[metric] ?? ""}
          isBounded={metric.endsWith("percent")}
          data={chartData(history.data, [{ metric, label: metric }])}
          from={from}
          to={to}
          patience={3 * history.data.expected_interval_seconds}
          thresholds={[draft.threshold]}
          height={170}
        />
      )}
      <details>
        <summary>{t.course(outcome.transitions.length)}</summary>
        <ol class="course-list">
          {outcome.transitions.slice(0, 50).map((one) => (
            <li key={one.at + one.to_state}>
              <When time={one.at} at /> {inWords(one, draft.kind === "metric" ? draft.metric : "")}
            </li>
          ))}
        </ol>
      </details>
      {outcome.worst.length > 1 && (
        <details>
          <summary>{t.otherDevices(outcome.worst.length - 1)}</summary>
          <ul>
            {outcome.worst.slice(1).map((one) => (
              <li key={one.agent_id}>
                <a href={`/dashboard/agents/${one.agent_id}`}>
                  <Name of={one.device_name} />
                </a>{" "}
                <span class="faint">{t.counts(number(one.alerts), number(one.tickets))}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}
