// The rule editor: the form on the left, on the right what the rule would have done.
import { useGet, ONCE } from "../lib/resource";
import { useEffect } from "preact/hooks";
import { call } from "../api/call";
import type { AlertRule } from "../api/schema";
import { shown } from "../lib/names";
import { go, param } from "../lib/url";
import { texts } from "../texts";
import { ActButton, useDraft } from "../ui/controls";
import { Name } from "../ui/name";
import { Loaded, NotFound, Skeleton } from "../ui/states";
import { say } from "../ui/toasts";
import { useBacktest } from "./backtest";
import { RuleChanges } from "./changes";
import { conditionsOf, draftOf, NEW_DRAFT, ruleBody, type Draft } from "./draft";
import { RuleForm } from "./form";
import { RulePreview } from "./preview";

export function RulePage({ parts }: { parts: Record<string, string> }) {
  const id = parts.rule ?? "";
  if (id === "new") return <Editor rule={null} />;
  return <Existing id={id} />;
}

function Existing({ id }: { id: string }) {
  const rule = useGet<AlertRule>(`/api/agents/alerts/${id}`, {}, ONCE);
  if (rule.error && [404, 422].includes(rule.error.status)) return <NotFound />;
  return (
    <Loaded
      of={rule}
      skeleton={
        <main class="page" id="content">
          <Skeleton lines={12} />
        </main>
      }
    >
      {(found) => <Editor rule={found} key={found.updated_at} />}
    </Loaded>
  );
}

/** The parts of a new rule in the address: a device, a business, a metric. */
function newDraft(): Draft {
  return {
    ...NEW_DRAFT,
    place: { business_id: param("business") || null, service_location_id: param("site") || null, agent_device_id: param("agent") || null },
    metric: param("metric") || NEW_DRAFT.metric,
    threshold: Number(param("threshold")) || NEW_DRAFT.threshold,
  };
}

function Editor({ rule }: { rule: AlertRule | null }) {
  const t = texts.value.rules;
  const first = rule ? draftOf(rule) : newDraft();
  const [draft, setDraft, forget] = useDraft<Draft>(rule ? `rule ${rule.id} ${rule.updated_at}` : `rule new ${param("agent")}${param("business")}`, first);
  const change = (patch: Partial<Draft>) => setDraft({ ...draft, ...patch });
  const preview = useBacktest(draft);
  useEffect(() => {
    if (rule) document.title = `${shown(rule.alert_name)} · ${texts.value.brand}`;
  }, [rule]);
  const startsAnew = rule !== null && isAnew(draft, first);
  const save = async () => {
    const body = ruleBody(draft);
    const saved = await call<AlertRule>(rule ? "PATCH" : "POST", rule ? `/api/agents/alerts/${rule.id}` : "/api/agents/alerts", { body });
    forget();
    say(t.saved(saved.alert_name));
    go("/admin/agents/alerts");
  };
  return (
    <main class="page rule-page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{rule ? <Name of={rule.alert_name} /> : t.newRule}</h1>
        {rule && !rule.is_active && <span class="tag">{t.off}</span>}
        <span class="grow" />
        <a class="button" href="/admin/agents/alerts">
          {texts.value.cancel}
        </a>
        <ActButton class="primary" act={save} disabled={!draft.name.trim() || !isJson(draft)}>
          {rule ? texts.value.save : draft.isShadow ? t.saveShadow : t.saveNew}
        </ActButton>
      </div>
      {rule?.error_message && <p class="banner warn">{rule.error_message}</p>}
      {startsAnew && <p class="banner info">{t.startsAnew} {rule.open_alerts > 0 && t.openEnd(rule.open_alerts)}</p>}
      <div class="rule-columns">
        <RuleForm draft={draft} change={change} faults={preview.faults} />
        <RulePreview draft={draft} preview={preview} change={(threshold) => change({ threshold })} />
      </div>
      {rule && <RuleChanges id={rule.id} />}
    </main>
  );
}

function isJson(draft: Draft): boolean {
  try {
    conditionsOf(draft);
    return true;
  } catch {
    return false;
  }
}

/** Whether saving lets the rule start anew: other conditions, or another reach. */
function isAnew(draft: Draft, first: Draft): boolean {
  if (!isJson(draft)) return false;
  const what = (one: Draft) => JSON.stringify([conditionsOf(one), one.place, one.deviceType]);
  return what(draft) !== what(first);
}
