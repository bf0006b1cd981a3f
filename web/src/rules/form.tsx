// The form of a rule: what must hold, where, and what happens then.
import { useGet, ONCE } from "../lib/resource";
import type { MetricInfo } from "../api/pending";
import { metricWithUnit } from "../lib/measures";
import { zone } from "../lib/format";
import { texts } from "../texts";
import { typeName } from "../fleet/columns";
import { Field } from "../ui/controls";
import { PlacePicker } from "../ui/place_picker";
import { weekday } from "../lib/format";
import { hasInstances, KINDS, type Draft, type RuleKind } from "./draft";

type Change = (patch: Partial<Draft>) => void;
interface Props {
  draft: Draft;
  change: Change;
  faults: Array<{ path: string; message: string }>;
}

const AGGREGATES = ["all", "avg", "min", "max", "last", "share"] as const;

export function RuleForm({ draft, change, faults }: Props) {
  const t = texts.value.rules;
  return (
    <div class="form-grid rule-form">
      <Field label={t.name}>{(id) => <input id={id} maxLength={255} value={draft.name} onInput={(event) => change({ name: event.currentTarget.value })} />}</Field>
      <Field label={t.severity}>
        {(id) => (
          <select id={id} value={draft.severity} onChange={(event) => change({ severity: event.currentTarget.value as Draft["severity"] })}>
            {(["critical", "warning", "info"] as const).map((one) => (
              <option key={one} value={one}>
                {texts.value.severities[one]}
              </option>
            ))}
          </select>
        )}
      </Field>
      <fieldset>
        <legend>{t.reach}</legend>
        {draft.place.agent_device_id ? (
          <p>
            {t.oneDevice} <code>{draft.place.agent_device_id}</code>{" "}
            <button type="button" class="small" onClick={() => change({ place: { ...draft.place, agent_device_id: null } })}>
              {t.notOnlyOne}
            </button>
          </p>
        ) : (
          <PlacePicker value={draft.place} change={(place) => change({ place })} all={t.everywhere} />
        )}
        <Field label={t.deviceType}>
          {(id) => (
            <select id={id} value={draft.deviceType} onChange={(event) => change({ deviceType: event.currentTarget.value })}>
              <option value="">{t.everyType}</option>
              {["server", "vm", "desktop", "laptop"].map((one) => (
                <option key={one} value={one}>
                  {typeName(one)}
                </option>
              ))}
            </select>
          )}
        </Field>
      </fieldset>
      <fieldset>
        <legend>{t.condition}</legend>
        <Field label={t.kind}>
          {(id) => (
            <select id={id} value={draft.kind} onChange={(event) => change({ kind: event.currentTarget.value as RuleKind })}>
              {KINDS.map((one) => (
                <option key={one} value={one}>
                  {t.kinds[one]}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Condition draft={draft} change={change} />
        {faults.map((fault) => (
          <p class="word error" role="alert" key={fault.path + fault.message}>
            {fault.path.replace(/^body\./, "")}: {fault.message}
          </p>
        ))}
      </fieldset>
      <fieldset>
        <legend>{t.then}</legend>
        <NumberField label={t.keep} help={t.keepHelp} value={draft.keep} change={(keep) => change({ keep })} />
        <label class="check">
          <input type="checkbox" checked={draft.hasTicket} onChange={(event) => change({ hasTicket: event.currentTarget.checked })} />
          <span>{t.ticket}</span>
        </label>
        <label class="check">
          <input type="checkbox" checked={draft.isShadow} onChange={(event) => change({ isShadow: event.currentTarget.checked })} />
          <span>{t.shadow}</span>
        </label>
        <Field label={t.recipients} help={t.recipientsHelp}>
          {(id, help) => <textarea id={id} aria-describedby={help} rows={2} value={draft.recipients} onInput={(event) => change({ recipients: event.currentTarget.value })} />}
        </Field>
        <Hours draft={draft} change={change} />
      </fieldset>
      <Field label={t.description}>{(id) => <textarea id={id} rows={2} maxLength={2000} value={draft.description} onInput={(event) => change({ description: event.currentTarget.value })} />}</Field>
    </div>
  );
}

function NumberField({ label, value, change, help, step = 1 }: { label: string; value: number; change: (value: number) => void; help?: string; step?: number }) {
  return (
    <Field label={label} help={help}>
      {(id, helpId) => <input id={id} aria-describedby={helpId} type="number" step={step} value={value} onInput={(event) => event.currentTarget.value !== "" && change(Number(event.currentTarget.value))} />}
    </Field>
  );
}

function Condition({ draft, change }: { draft: Draft; change: Change }) {
  const t = texts.value.rules;
  const withMetric = ["metric", "change", "forecast", "unusual"].includes(draft.kind);
  return (
    <div class="inline-fields">
      {withMetric && <MetricField draft={draft} change={change} />}
      {withMetric && hasInstances(draft.metric) && <InstanceFields draft={draft} change={change} />}
      {draft.kind === "metric" && (
        <>
          <Field label={t.operator}>
            {(id) => (
              <select id={id} value={draft.operator} onChange={(event) => change({ operator: event.currentTarget.value as Draft["operator"] })}>
                {[">", ">=", "<", "<="].map((one) => (
                  <option key={one}>{one}</option>
                ))}
              </select>
            )}
          </Field>
          <NumberField label={t.threshold} value={draft.threshold} step={0.1} change={(threshold) => change({ threshold })} />
          <Field label={t.aggregate}>
            {(id) => (
              <select id={id} value={draft.aggregate} onChange={(event) => change({ aggregate: event.currentTarget.value })}>
                {AGGREGATES.map((one) => (
                  <option key={one} value={one}>
                    {t.aggregates[one]}
                  </option>
                ))}
              </select>
            )}
          </Field>
          {draft.aggregate === "share" && <NumberField label={t.share} value={draft.share} change={(share) => change({ share })} />}
          <Field label={t.recovery} help={t.recoveryHelp}>
            {(id, help) => <input id={id} aria-describedby={help} type="number" step={0.1} value={draft.recovery} onInput={(event) => change({ recovery: event.currentTarget.value })} />}
          </Field>
        </>
      )}
      {draft.kind === "change" && <NumberField label={t.changeBy} value={draft.changeBy} step={0.1} change={(changeBy) => change({ changeBy })} />}
      {draft.kind === "service" && <Field label={t.service} help={t.serviceHelp}>{(id, help) => <input id={id} aria-describedby={help} value={draft.service} onInput={(event) => change({ service: event.currentTarget.value })} />}</Field>}
      {draft.kind === "forecast" && <NumberField label={t.reaches} value={draft.threshold} step={0.1} change={(threshold) => change({ threshold })} />}
      {draft.kind === "forecast" && <NumberField label={t.withinDays} value={draft.days} change={(days) => change({ days })} />}
      {draft.kind === "unusual" && <NumberField label={t.deviations} value={draft.deviations} step={0.5} change={(deviations) => change({ deviations })} />}
      {draft.kind === "unusual" && <NumberField label={t.floor} value={draft.floor} step={0.5} change={(floor) => change({ floor })} />}
      {draft.kind !== "forecast" && draft.kind !== "other" && <NumberField label={t.minutes[draft.kind]} value={draft.minutes} change={(minutes) => change({ minutes })} />}
      {draft.kind === "other" && <Field label={t.json} help={t.jsonHelp}>{(id, help) => <textarea id={id} aria-describedby={help} rows={8} spellcheck={false} class="code" value={draft.other} onInput={(event) => change({ other: event.currentTarget.value })} />}</Field>}
    </div>
  );
}

interface Catalogue {
  metrics: MetricInfo[];
  with_instances: Array<{ name: string; unit: string }>;
}

function MetricField({ draft, change }: { draft: Draft; change: Change }) {
  const t = texts.value;
  const catalogue = useGet<Catalogue>("/api/agents/metrics/catalog", {}, ONCE);
  const names = catalogue.data?.metrics.filter((one) => one.in_rules).map((one) => one.name) ?? [];
  const parts = catalogue.data?.with_instances.map((one) => one.name) ?? [];
  const isOther = ![...names, ...parts].includes(draft.metric); // a custom one, or the catalogue is not there yet
  return (
    <Field label={t.rules.metric}>
      {(id) => (
        <select id={id} value={draft.metric} onChange={(event) => change({ metric: event.currentTarget.value })}>
          {isOther && <option value={draft.metric}>{metricWithUnit(draft.metric)}</option>}
          {names.map((name) => (
            <option key={name} value={name}>
              {metricWithUnit(name)}
            </option>
          ))}
          {parts.length > 0 && (
            <optgroup label={t.rules.ofInstances}>
              {parts.map((name) => (
                <option key={name} value={name}>
                  {metricWithUnit(name)}
                </option>
              ))}
            </optgroup>
          )}
        </select>
      )}
    </Field>
  );
}

/** Which disks, interfaces or sensors: the rule stands on each for itself. */
function InstanceFields({ draft, change }: { draft: Draft; change: Change }) {
  const t = texts.value.rules;
  return (
    <>
      <Field label={t.instances} help={t.instancesHelp}>
        {(id, help) => <textarea id={id} aria-describedby={help} rows={2} value={draft.instances} onInput={(event) => change({ instances: event.currentTarget.value })} />}
      </Field>
      <Field label={t.except}>{(id) => <textarea id={id} rows={2} value={draft.except} onInput={(event) => change({ except: event.currentTarget.value })} />}</Field>
    </>
  );
}

function Hours({ draft, change }: { draft: Draft; change: Change }) {
  const t = texts.value.rules;
  const hours = draft.hours;
  const set = (patch: Partial<NonNullable<Draft["hours"]>>) => hours && change({ hours: { ...hours, ...patch } });
  return (
    <>
      <label class="check">
        <input type="checkbox" checked={hours !== null} onChange={(event) => change({ hours: event.currentTarget.checked ? { days: [1, 2, 3, 4, 5], from: "08:00", to: "18:00", time_zone: zone.value } : null })} />
        <span>{t.onlyHours}</span>
      </label>
      {hours && (
        <fieldset class="days">
          <legend>
            {t.hours} ({hours.time_zone})
          </legend>
          {[1, 2, 3, 4, 5, 6, 7].map((day) => (
            <label class="check" key={day}>
              <input type="checkbox" checked={hours.days.includes(day)} onChange={(event) => set({ days: event.currentTarget.checked ? [...hours.days, day].sort() : hours.days.filter((one) => one !== day) })} />
              <span>{weekday(day)}</span>
            </label>
          ))}
          <label class="inline">
            {t.from} <input type="time" value={hours.from} onInput={(event) => set({ from: event.currentTarget.value })} />
          </label>
          <label class="inline">
            {t.to} <input type="time" value={hours.to} onInput={(event) => set({ to: event.currentTarget.value })} />
          </label>
        </fieldset>
      )}
    </>
  );
}
