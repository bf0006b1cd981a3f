// How long levels are kept, in words.
import type { RetentionChange } from "../api/schema";
import { exactDuration } from "../lib/format";

const DAY = 86_400; // seconds

/** An age in days, in the largest unit that fits. */
export const age = (days: number) => exactDuration(days * DAY);

/** What a change does, as "raw 30 d → 14 d". */
export function Ages({ change }: { change: Pick<RetentionChange, "before_days" | "after_days"> }) {
  const names = Object.keys(change.after_days).filter((name) => change.before_days[name] !== change.after_days[name]);
  return <>{names.map((name) => `${name} ${age(change.before_days[name] ?? 0)} → ${age(change.after_days[name] ?? 0)}`).join(", ")}</>;
}
