// A rule as the form holds it, to and from what the API takes.
import type { AlertRule } from "../api/schema";
import type { PlaceChoice } from "../ui/place_picker";

export const KINDS = ["metric", "change", "no_data", "offline", "service", "forecast", "unusual", "other"] as const;
export type RuleKind = (typeof KINDS)[number];

export interface Draft {
  name: string;
  severity: AlertRule["severity"];
  place: PlaceChoice;
  deviceType: string;
  kind: RuleKind;
  metric: string;
  instances: string; // of a metric with instances, one a line; `*` stands for any characters
  except: string; // one a line
  operator: ">" | ">=" | "<" | "<=";
  threshold: number;
  recovery: string; // "" : none
  minutes: number;
  aggregate: string;
  share: number;
  changeBy: number;
  service: string;
  days: number;
  deviations: number;
  floor: number;
  other: string; // JSON
  keep: number;
  hours: { days: number[]; from: string; to: string; time_zone: string } | null;
  isShadow: boolean;
  hasTicket: boolean;
  recipients: string; // one a line
  description: string;
}

export const NEW_DRAFT: Draft = {
  name: "",
  severity: "warning",
  place: { business_id: null, service_location_id: null, agent_device_id: null },
  deviceType: "",
  kind: "metric",
  metric: "cpu_percent",
  instances: "*",
  except: "",
  operator: ">",
  threshold: 90,
  recovery: "",
  minutes: 10,
  aggregate: "all",
  share: 80,
  changeBy: 20,
  service: "*",
  days: 14,
  deviations: 4,
  floor: 20,
  other: '{"any": []}',
  keep: 5,
  hours: null,
  isShadow: true, // a new rule is watched first
  hasTicket: true,
  recipients: "",
  description: "",
};

/** Whether a metric has instances (disks, interfaces, sensors): its name has a dot. */
export const hasInstances = (metric: string) => metric.includes(".");

const linesOf = (text: string) => text.split("\n").map((line) => line.trim()).filter(Boolean);

/** The metric, and of which instances. */
function metricOf(draft: Draft): Record<string, unknown> {
  if (!hasInstances(draft.metric)) return { metric: draft.metric };
  const names = linesOf(draft.instances);
  const except = linesOf(draft.except);
  return { metric: draft.metric, instance: names.length > 1 ? names : (names[0] ?? "*"), ...(except.length > 0 && { except_instances: except }) };
}

/** Return the conditions as the API takes them; raises SyntaxError when the free form is no JSON. */
export function conditionsOf(draft: Draft): Record<string, unknown> {
  switch (draft.kind) {
    case "metric":
      return {
        ...metricOf(draft),
        operator: draft.operator,
        threshold: draft.threshold,
        duration_minutes: draft.minutes,
        ...(draft.aggregate !== "all" && { aggregate: draft.aggregate }),
        ...(draft.aggregate === "share" && { share_percent: draft.share }),
        ...(draft.recovery !== "" && { recovery_threshold: Number(draft.recovery) }),
      };
    case "change":
      return { ...metricOf(draft), change_by: draft.changeBy, within_minutes: draft.minutes };
    case "no_data":
      return { no_data_minutes: draft.minutes };
    case "offline":
      return { offline_minutes: draft.minutes };
    case "service":
      return { service: draft.service, duration_minutes: draft.minutes };
    case "forecast":
      return { ...metricOf(draft), reaches: draft.threshold, within_days: draft.days };
    case "unusual":
      return { ...metricOf(draft), deviations: draft.deviations, floor: draft.floor, duration_minutes: draft.minutes };
    default:
      return JSON.parse(draft.other) as Record<string, unknown>;
  }
}

/** Return the rule as the API takes it. */
export function ruleBody(draft: Draft): Record<string, unknown> {
  return {
    alert_name: draft.name.trim(),
    severity: draft.severity,
    ...draft.place,
    device_type: draft.deviceType || null,
    conditions: conditionsOf(draft),
    keep_firing_minutes: draft.keep,
    active_hours: draft.hours,
    is_shadow: draft.isShadow,
    ticket_enabled: draft.hasTicket,
    notification_recipients: draft.recipients.split(/[\s,]+/).filter(Boolean),
    description: draft.description.trim() || null,
  };
}

type Stored = Record<string, string | number | string[] | null | undefined>;

function kindOf(conditions: Stored): RuleKind {
  if ("operator" in conditions) return "metric";
  if ("change_by" in conditions) return "change";
  if ("no_data_minutes" in conditions) return "no_data";
  if ("offline_minutes" in conditions) return "offline";
  if ("service" in conditions) return "service";
  if ("reaches" in conditions) return "forecast";
  return "deviations" in conditions ? "unusual" : "other";
}

/** Names of instances as the form shows them: one a line. */
function namesOf(stored: Stored[string], otherwise: string): string {
  return Array.isArray(stored) ? stored.join("\n") : typeof stored === "string" ? stored : otherwise;
}

export function draftOf(rule: AlertRule): Draft {
  const stored = (rule.conditions ?? {}) as Stored;
  const number = (name: string, otherwise: number) => (typeof stored[name] === "number" ? (stored[name] as number) : otherwise);
  const minutes = ["duration_minutes", "within_minutes", "no_data_minutes", "offline_minutes"].find((name) => name in stored);
  return {
    ...NEW_DRAFT,
    name: rule.alert_name,
    severity: rule.severity,
    place: { business_id: rule.business_id, service_location_id: rule.service_location_id, agent_device_id: rule.agent_device_id },
    deviceType: rule.device_type ?? "",
    kind: kindOf(stored),
    metric: typeof stored.metric === "string" ? stored.metric : NEW_DRAFT.metric,
    instances: namesOf(stored.instance, "*"),
    except: namesOf(stored.except_instances, ""),
    operator: (stored.operator as Draft["operator"]) ?? ">",
    threshold: number("threshold", number("reaches", 90)),
    recovery: typeof stored.recovery_threshold === "number" ? String(stored.recovery_threshold) : "",
    minutes: minutes ? number(minutes, 10) : 0,
    aggregate: typeof stored.aggregate === "string" ? stored.aggregate : "all",
    share: number("share_percent", 80),
    changeBy: number("change_by", 20),
    service: typeof stored.service === "string" ? stored.service : "*",
    days: number("within_days", 14),
    deviations: number("deviations", 4),
    floor: number("floor", 20),
    other: JSON.stringify(rule.conditions, null, 2),
    keep: rule.keep_firing_minutes,
    hours: (rule.active_hours as Draft["hours"]) ?? null,
    isShadow: rule.is_shadow,
    hasTicket: rule.ticket_enabled,
    recipients: Array.isArray(rule.notification_recipients) ? rule.notification_recipients.join("\n") : "",
    description: rule.description ?? "",
  };
}

/** Five thresholds around the chosen one: by 5 points of a percentage, else by tenths. */
export function thresholdsAround(draft: Draft): number[] {
  if (draft.kind !== "metric") return [];
  const steps = [-2, -1, 0, 1, 2];
  const around = draft.metric.endsWith("percent") ? steps.map((step) => draft.threshold + 5 * step).filter((one) => one >= 0 && one <= 100) : steps.map((step) => Math.round(draft.threshold * (1 + step / 10) * 100) / 100);
  return [...new Set(around)];
}

/** Whether the past can be tested: services and forecasts keep only their newest state. */
export function canBeTested(draft: Draft): boolean {
  return draft.kind !== "service" && draft.kind !== "forecast";
}
