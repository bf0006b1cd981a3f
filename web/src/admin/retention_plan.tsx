// What other ages would do: a plan is made, read, and signed off with the database's name and a reason.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { ChangeOrdered, RetentionLevel, RetentionPlan } from "../api/schema";
import { bytes, number, shortTime } from "../lib/format";
import { texts } from "../texts";
import { ActButton, Field, useDraft } from "../ui/controls";
import { Table } from "../ui/list";
import { say } from "../ui/toasts";
import { age, Ages } from "./retention_ages";

interface Effect {
  level: string;
  relation: string;
  chunks: number;
  bytes: number;
  rows: number;
  exact?: boolean;
  share: number; // 0 to 1
}

/** The parts of a plan that the page shows; the whole goes back as it came. */
interface Document {
  database: string;
  before: Record<string, number>;
  after: Record<string, number>;
  drops_from: string;
  effects: Effect[];
  losses: string[];
  objections: string[];
}

type Wanted = Record<string, string>;

export function PlanForm({ levels, done }: { levels: RetentionLevel[]; done: () => void }) {
  const t = texts.value.retention;
  const now: Wanted = Object.fromEntries(levels.map((level) => [level.name, `${level.kept_days}d`]));
  const [wanted, want, forget] = useDraft<Wanted>("retention", now);
  const [isLarge, allowLarge] = useState(false);
  const [plan, setPlan] = useState<RetentionPlan | null>(null);
  const keep = Object.fromEntries(Object.entries(wanted).filter(([name, text]) => text.trim() && text.trim() !== now[name]));
  const make = async () => setPlan(await call<RetentionPlan>("POST", "/api/admin/retention/plans", { body: { keep, large: isLarge } }));
  return (
    <section class="panel">
      <h2>{t.whatIf}</h2>
      <p class="faint">{t.whatIfHelp}</p>
      <div class="inline-fields">
        {levels.map((level) => (
          <Field label={t.keep(level.name)} help={t.now(age(level.kept_days))} key={level.name}>
            {(id, help) => (
              <input
                id={id}
                aria-describedby={help}
                value={wanted[level.name] ?? ""}
                onInput={(event) => {
                  want({ ...wanted, [level.name]: event.currentTarget.value });
                  setPlan(null);
                }}
              />
            )}
          </Field>
        ))}
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={isLarge}
          onChange={(event) => {
            allowLarge(event.currentTarget.checked);
            setPlan(null);
          }}
        />
        <span>{t.large}</span>
      </label>
      <footer>
        <ActButton class={plan ? "" : "primary"} act={make} disabled={!Object.keys(keep).length}>
          {t.makePlan}
        </ActButton>
      </footer>
      {plan && (
        <Plan
          plan={plan}
          done={() => {
            setPlan(null);
            forget();
            done();
          }}
        />
      )}
    </section>
  );
}

function Plan({ plan, done }: { plan: RetentionPlan; done: () => void }) {
  const t = texts.value.retention;
  const found = plan.plan as unknown as Document;
  return (
    <section class="plan" aria-label={t.plan}>
      <h3>
        {t.plan}: <Ages change={{ before_days: found.before, after_days: found.after }} />
      </h3>
      {found.objections.length > 0 && <Sentences title={t.refused} class="banner warn" sentences={found.objections} />}
      {found.effects.length > 0 ? <Effects effects={found.effects} /> : <p>{t.dropsNothing}</p>}
      {found.losses.length > 0 && <Sentences title={t.losses} sentences={found.losses} />}
      {!plan.refused && <SignOff plan={plan} found={found} done={done} />}
    </section>
  );
}

function Sentences({ title, sentences, ...rest }: { title: string; sentences: string[]; class?: string }) {
  return (
    <div {...rest} role="status">
      <strong>{title}</strong>
      <ul class="notes">
        {sentences.map((sentence) => (
          <li key={sentence}>{sentence}</li>
        ))}
      </ul>
    </div>
  );
}

function Effects({ effects }: { effects: Effect[] }) {
  const t = texts.value.retention;
  return (
    <Table
      label={t.effects}
      rows={effects}
      keyOf={(row) => row.relation}
      heads={[
        { title: t.relation, cell: (row) => <code>{row.relation}</code> },
        { title: texts.value.storage.chunks, cell: (row) => number(row.chunks), class: "number" },
        { title: t.rows, cell: (row) => (row.exact === false ? `≈ ${number(row.rows)}` : number(row.rows)), class: "number" },
        { title: texts.value.storage.size, cell: (row) => bytes(row.bytes), class: "number" },
        { title: t.share, cell: (row) => `${number(100 * row.share)} %`, class: "number" },
      ]}
    />
  );
}

/** The name of the database, typed, and a reason: then the plan goes back as it came. */
function SignOff({ plan, found, done }: { plan: RetentionPlan; found: Document; done: () => void }) {
  const t = texts.value.retention;
  const [typed, setTyped] = useState("");
  const [reason, setReason] = useState("");
  const apply = async () => {
    const made = await call<ChangeOrdered>("POST", "/api/admin/retention/changes", { body: { plan: plan.plan, database: typed.trim(), reason: reason.trim() } });
    say(made.in_force ? t.isInForce : t.isWaiting(shortTime(made.due_at)));
    done();
  };
  return (
    <div class="form-grid">
      <p>{found.effects.length > 0 && t.dropsFrom(shortTime(found.drops_from))}</p>
      <Field label={t.reason}>{(id) => <input id={id} maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />}</Field>
      <Field label={t.typeDatabase(found.database)}>{(id) => <input id={id} autocomplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />}</Field>
      <footer>
        <ActButton class="primary" act={apply} disabled={typed.trim() !== found.database || !reason.trim()}>
          {t.apply}
        </ActButton>
      </footer>
    </div>
  );
}
