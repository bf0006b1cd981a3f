// A status or a severity: shape and word and colour, never colour alone.
import type { Severity, Status } from "../api/pending";
import { texts } from "../texts";

const SHAPES: Record<Status | Severity, string> = {
  online: "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1",
  warning: "M6 1l5.5 10H.5z",
  offline: "M1 1h10v10H1z",
  error: "M6 0l6 6-6 6-6-6z",
  disabled: "M2 1h3v10H2zM7 1h3v10H7z",
  info: "M6 1a5 5 0 1 0 0 10A5 5 0 0 0 6 1",
  critical: "M1 1h10v10H1z",
};

/** The shape alone; `label` for those who can't see it. */
export function Mark({ kind, label, stale = false }: { kind: Status | Severity; label?: string; stale?: boolean }) {
  return (
    <svg class={`mark ${stale ? "stale" : kind}`} viewBox="0 0 12 12" width="11" height="11" role={label ? "img" : undefined} aria-label={label} aria-hidden={label ? undefined : "true"}>
      <path d={SHAPES[kind]} />
    </svg>
  );
}

export function StatusWord({ status, stale = false }: { status: Status; stale?: boolean }) {
  return (
    <span class={`word ${stale ? "stale" : status}`}>
      <Mark kind={status} stale={stale} /> {texts.value.statuses[status]}
    </span>
  );
}

export function SeverityWord({ severity, quiet = false }: { severity: Severity; quiet?: boolean }) {
  return (
    <span class={`word ${quiet ? "stale" : severity}`}>
      <Mark kind={severity} stale={quiet} /> {texts.value.severities[severity]}
    </span>
  );
}
