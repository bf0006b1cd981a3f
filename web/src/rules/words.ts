// The conditions of a rule in the words of the language that shows.
import { exactDuration, number, withUnit } from "../lib/format";
import { metricName, unitOf } from "../lib/measures";
import { texts } from "../texts";

type Condition = Record<string, unknown>;

/** Return conditions in words, null for a form that is not known here. */
export function conditionWords(condition: unknown, isInner = false): string | null {
  if (typeof condition !== "object" || condition === null) return null;
  const one = condition as Condition;
  for (const joint of ["all", "any"] as const) {
    if (Array.isArray(one[joint])) return joined(one[joint], joint, isInner);
  }
  return single(one);
}

function joined(parts: unknown[], joint: "all" | "any", isInner: boolean): string | null {
  const words = parts.map((part) => conditionWords(part, true));
  if (words.includes(null)) return null;
  const text = words.join(` ${texts.value.rules.words[joint === "all" ? "and" : "or"]} `);
  return isInner ? `(${text})` : text;
}

const amount = (one: Condition, name: string, otherwise = 0) => (typeof one[name] === "number" ? one[name] : otherwise);
const minutes = (one: Condition, name: string, otherwise = 0) => exactDuration(60 * amount(one, name, otherwise));

function single(one: Condition): string | null {
  const t = texts.value.rules.words;
  if ("no_data_minutes" in one) return t.noData(minutes(one, "no_data_minutes"));
  if ("offline_minutes" in one) return t.offline(minutes(one, "offline_minutes"));
  if ("service" in one) return serviceWords(one);
  const metric = typeof one.metric === "string" ? one.metric : "disk_percent"; // that of a forecast without one
  const subject = subjectWords(one, metric);
  const value = (name: string) => withUnit(Math.abs(amount(one, name)), unitOf(metric));
  if ("operator" in one) return thresholdWords(one, subject, withUnit(amount(one, "threshold"), unitOf(metric)));
  if ("change_by" in one) return t[amount(one, "change_by") > 0 ? "rises" : "falls"](subject, value("change_by"), minutes(one, "within_minutes", 60));
  if ("within_days" in one) return t.reaches(subject, withUnit(amount(one, "reaches", 100), unitOf(metric)), exactDuration(86_400 * amount(one, "within_days")));
  if ("deviations" in one) return t.unusual(subject, number(amount(one, "deviations"), 1), minutes(one, "duration_minutes", 15));
  return null;
}

function serviceWords(one: Condition): string {
  const t = texts.value.rules.words;
  const long = minutes(one, "duration_minutes");
  return one.service === "*" ? t.anyService(long) : t.service(String(one.service), long);
}

function thresholdWords(one: Condition, subject: string, limit: string): string | null {
  const t = texts.value.rules.words.of;
  const how = typeof one.aggregate === "string" ? one.aggregate : "all";
  if (!(how in t)) return null;
  return t[how as keyof typeof t](subject, String(one.operator), limit, minutes(one, "duration_minutes"), number(amount(one, "share_percent"), 1));
}

/** The metric, and of which disks, interfaces or sensors. */
function subjectWords(one: Condition, metric: string): string {
  const t = texts.value.rules.words;
  const name = metricName(metric);
  const picked = [one.instance ?? ""].flat().map(String).filter(Boolean);
  const except = [one.except_instances ?? []].flat().map(String);
  const which = !picked.length ? name : picked.join() === "*" ? t.ofEach(name) : t.ofSome(name, picked.join(", "));
  return except.length ? t.except(which, except.join(", ")) : which;
}
