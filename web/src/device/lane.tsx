// One lane above all charts: the device's statuses over the range, windows, alerts, commands and software changes.
import type { DeviceAnnotations } from "../api/schema";
import { millis, shortTime, span } from "../lib/format";
import { shown } from "../lib/names";
import type { TimeRange } from "../lib/range";
import { isNarrow } from "../lib/settings";
import { withParams } from "../lib/url";
import { texts } from "../texts";
import { statusReason } from "../charts/gaps";
import { hiddenLayers } from "./range_bar";

function place(range: TimeRange, start: number, end: number): { left: string; width: string } | null {
  const length = range.to - range.from;
  const from = Math.max(0, (start - range.from) / length);
  const to = Math.min(1, (end - range.from) / length);
  if (to <= from && end !== start) return null;
  if (from > 1 || to < 0) return null;
  return { left: `${from * 100}%`, width: `${Math.max(0, to - from) * 100}%` };
}

const THIN = 0.01; // share of the lane below which a window is a line, so that many of them do not cover the statuses
const WORD_FROM = 0.06; // share of the lane from which on a span holds its word

export function StatusLane({ annotations, range, id }: { annotations: DeviceAnnotations | undefined; range: TimeRange; id: string }) {
  const t = texts.value;
  const hidden = hiddenLayers();
  return (
    <section class="lane" aria-label={t.lane.label}>
      <ol class="lane-statuses">
        <Before annotations={annotations} range={range} />
        {(annotations?.statuses ?? []).map((one) => {
          const at = place(range, millis(one.start), millis(one.end));
          const words = `${t.statuses[one.status]} ${span(one.start, one.end)}${one.reason ? ` · ${statusReason(one.reason)}` : ""}`;
          const share = (millis(one.end) - millis(one.start)) / (range.to - range.from);
          return (
            at && (
              <li key={one.start} class={`lane-span ${one.status}`} style={at} title={words}>
                <span class={share > WORD_FROM ? "" : "unseen"}>{t.statuses[one.status]}</span>
              </li>
            )
          );
        })}
        {!hidden.has("windows") &&
          (annotations?.maintenance ?? []).filter((one) => millis(one.end) > beginOf(annotations)).map((one) => {
            const at = place(range, millis(one.start), millis(one.end));
            return (
              at && (
                <li key={one.window_id + one.start} class={`lane-window ${millis(one.end) - millis(one.start) < THIN * (range.to - range.from) ? "thin" : ""}`} style={at} title={`${t.lane.window}: ${one.window_name} ${span(one.start, one.end)}`}>
                  <span class="unseen">
                    {t.lane.window} {one.window_name}
                  </span>
                </li>
              )
            );
          })}
      </ol>
      <div class="lane-marks">
        {!hidden.has("alerts") &&
          (annotations?.alerts ?? []).map((one) => {
            const at = place(range, millis(one.start), one.end ? millis(one.end) : range.to);
            return (
              at && (
                <a key={one.id} class={`lane-alert ${one.severity}`} style={at} href={`/dashboard/agents/alerts?state=${one.end ? "history" : "open"}&agent=${id}&alert=${one.id}`} title={`${t.severities[one.severity]}: ${one.alert_name} ${one.end ? span(one.start, one.end) : `${t.since} ${shortTime(one.start)}`}`}>
                  <span class="unseen">
                    {t.severities[one.severity]} {shown(one.alert_name)}
                  </span>
                </a>
              )
            );
          })}
        {!hidden.has("commands") &&
          (annotations?.commands ?? []).map((one) => {
            const at = place(range, millis(one.created_at), millis(one.created_at));
            return (
              at && (
                <a key={one.command_id} class="lane-tick command" style={{ left: at.left }} href={withParams({ tab: "commands" })} title={`${t.commands.types[one.command_type] ?? one.command_type} ${shortTime(one.created_at)}: ${t.commands.states[one.status as "sent"] ?? one.status}`}>
                  <span class="unseen">
                    {t.lane.command} {t.commands.types[one.command_type] ?? one.command_type} {shortTime(one.created_at)}
                  </span>
                </a>
              )
            );
          })}
        {!hidden.has("software") &&
          (annotations?.software ?? []).map((one) => {
            const at = place(range, millis(one.at), millis(one.at));
            const words = t.lane.software(one.installed, one.removed, one.upgraded);
            return (
              at && (
                <a key={one.at} class="lane-tick software" style={{ left: at.left }} href={withParams({ tab: "software" })} title={`${words} ${shortTime(one.at)}`}>
                  <span class="unseen">
                    {words} {shortTime(one.at)}
                  </span>
                </a>
              )
            );
          })}
      </div>
      <Axis range={range} />
    </section>
  );
}

/** When the device was there first; null while that is not known. */
function firstOf(annotations: DeviceAnnotations | undefined): string | null {
  return annotations?.statuses[0]?.start ?? annotations?.enrolled_at ?? null;
}

/** The same as milliseconds: windows before it were no concern of the device. */
function beginOf(annotations: DeviceAnnotations | undefined): number {
  const first = firstOf(annotations);
  return first ? millis(first) : -Infinity;
}

/** The part of the range in which the device was not there yet. */
function Before({ annotations, range }: { annotations: DeviceAnnotations | undefined; range: TimeRange }) {
  const first = firstOf(annotations);
  const at = first && place(range, range.from, millis(first));
  if (!at) return null;
  const word = texts.value.gaps.words.not_enrolled;
  return (
    <li class="lane-span before" style={at} title={`${word} ${span(range.from, first)}`}>
      <span>{word}</span>
    </li>
  );
}

/** The times below the lane. */
function Axis({ range }: { range: TimeRange }) {
  const marks = isNarrow.value ? [0, 0.5, 1] : [0, 0.25, 0.5, 0.75, 1];
  return (
    <div class="lane-axis" aria-hidden="true">
      {marks.map((share) => (
        <span key={share}>{shortTime(range.from + share * (range.to - range.from))}</span>
      ))}
    </div>
  );
}
