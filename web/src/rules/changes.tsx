// Who made and changed a rule, and what.
import type { RuleChange, RuleTrail } from "../api/schema";
import { ONCE, useGet } from "../lib/resource";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Name } from "../ui/name";
import { Loaded } from "../ui/states";

export function RuleChanges({ id }: { id: string }) {
  const t = texts.value.rules;
  const trail = useGet<RuleTrail>(`/api/agents/alerts/${id}/changes`, {}, ONCE);
  return (
    <section class="panel">
      <h2>{t.changes}</h2>
      <Loaded of={trail}>
        {({ changes }) => (
          <ol class="course-list" aria-label={t.changes}>
            {changes.map((change) => (
              <li key={change.at + change.action}>
                <When time={change.at} at /> <Name of={change.actor_name ?? change.actor_kind} /> <strong>{t.did[change.action as keyof typeof t.did]}</strong> <Name class="faint" of={wordsOf(change)} />
              </li>
            ))}
          </ol>
        )}
      </Loaded>
    </section>
  );
}

/** What a change set, as "severity: warning → critical"; switching on and off says it already. */
function wordsOf({ action, changed, before }: RuleChange): string {
  if (action !== "alert_rule_changed") return "";
  return Object.keys(changed)
    .filter((field) => JSON.stringify(changed[field]) !== JSON.stringify(before[field]))
    .map((field) => `${field.replaceAll("_", " ")}: ${valueOf(before[field])} → ${valueOf(changed[field])}`)
    .join("; ");
}

function valueOf(value: unknown): string {
  return value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);
}
