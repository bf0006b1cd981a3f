// The details of events and audit rows in the words of the language that shows.
import { statusReason } from "../charts/gaps";
import { shortTime } from "../lib/format";
import { texts } from "../texts";

type Details = Record<string, unknown>;

const IS_ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const IS_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:/;

/** What happened, as `Online → Offline · reason: it fell silent`; without the ids, which say nothing to people. */
export function eventWords(data: Details): string {
  return detailWords(Object.fromEntries(Object.entries(data).filter(([, value]) => !IS_ID.test(String(value)))));
}

/** All details of a row, as `Name: web → web-1 · Monitoring: yes → no`. */
export function detailWords(data: Details): string {
  const { from, to, ...others } = data;
  const change = isGiven(from) && isGiven(to) ? [changeWords("status", from, to)] : [];
  const left = change.length ? others : data;
  return [...change, ...Object.entries(left).filter(([, value]) => isGiven(value)).map(([name, value]) => `${nameWords(name)}: ${valueWords(name, value)}`)].join(" · ");
}

const isGiven = (value: unknown) => value !== null && value !== undefined && value !== "";

const nameWords = (name: string) => texts.value.details[name] ?? name.replaceAll("_", " ");

const changeWords = (name: string, from: unknown, to: unknown) => `${valueWords(name, from)} → ${valueWords(name, to)}`;

function valueWords(name: string, value: unknown): string {
  const t = texts.value;
  if (!isGiven(value)) return "–";
  if (typeof value === "boolean") return value ? t.yes : t.no;
  if (typeof value === "object") return objectWords(name, value as Details);
  const text = String(value);
  if (name === "why") return statusReason(text);
  if (name === "command_type") return t.commands.types[text] ?? text;
  if (IS_TIME.test(text)) return shortTime(text);
  const known: Record<string, Record<string, string>> = { status: t.statuses, was: t.commands.states, severity: t.severities, device_type: t.types };
  return known[name]?.[text] ?? text;
}

/** A field's value before and after, or several fields that changed. */
function objectWords(name: string, value: Details): string {
  if ("from" in value && "to" in value) return changeWords(name, value.from, value.to);
  return JSON.stringify(value);
}
