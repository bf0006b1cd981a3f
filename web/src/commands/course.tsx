// How far a command is: its steps, and its progress in percent.
import type { Command } from "../api/schema";
import { texts } from "../texts";
import { Name } from "../ui/name";

export const OPEN = new Set(["pending", "sent", "executing"]);

const CLASS: Record<Command["status"], string> = {
  pending: "warning",
  sent: "info",
  executing: "info",
  completed: "online",
  failed: "error",
  timeout: "error",
  cancelled: "stale",
  expired: "stale",
};

export function CommandState({ command }: { command: Command }) {
  const t = texts.value.commands;
  const percent = command.progress_percent;
  return (
    <span class={`word ${CLASS[command.status]}`}>
      {command.awaits_approval ? t.awaits : t.states[command.status]}
      {command.status === "executing" && percent !== null && ` ${Math.round(percent)} %`}
      {command.cancel_requested_at && OPEN.has(command.status) && ` · ${t.cancelAsked}`}
    </span>
  );
}

/** The steps from order to end; those behind are marked done. */
export function Steps({ command }: { command: Command }) {
  const t = texts.value.commands;
  const ended = !OPEN.has(command.status);
  const steps: Array<[string, boolean]> = [[t.steps.ordered, true]];
  if (command.approval_required) steps.push([t.steps.approved, command.approved_at !== null]);
  steps.push([t.steps.sent, command.sent_at !== null], [t.steps.started, command.started_at !== null], [ended ? t.states[command.status] : t.steps.ended, ended]);
  return (
    <ol class="steps" aria-label={t.course}>
      {steps.map(([name, done], index) => (
        <li key={index} class={done ? "done" : steps[index - 1]?.[1] ? "next" : ""}>
          <span class="unseen">{done ? t.stepDone : t.stepOpen} </span>
          {name}
        </li>
      ))}
    </ol>
  );
}

export function Progress({ command }: { command: Command }) {
  if (command.status !== "executing") return null;
  const t = texts.value.commands;
  return (
    <p class="progress-line">
      {command.progress_percent === null ? <progress aria-label={t.progress} /> : <progress aria-label={t.progress} max={100} value={command.progress_percent} />} <Name of={command.progress_message} />
    </p>
  );
}
