// One command in full: its live state, its output, and approval or cancelling.
import type { Command } from "../api/schema";
import { useState } from "preact/hooks";
import { call } from "../api/call";
import { may, me } from "../api/session";
import { duration } from "../lib/format";
import { texts } from "../texts";
import { ActButton, CopyButton, Field, When } from "../ui/controls";
import { Name } from "../ui/name";
import { Loaded } from "../ui/states";
import { say } from "../ui/toasts";
import { CommandState, OPEN, Progress, Steps } from "./course";
import { useCommand } from "./follow";

export function CommandDetails({ agent, id, changed }: { agent: string; id: string; changed?: () => void }) {
  const command = useCommand(agent, id);
  const done = () => {
    command.reload();
    changed?.();
  };
  return <Loaded of={command}>{(found) => <Details command={found} done={done} />}</Loaded>;
}

function Details({ command, done }: { command: Command; done: () => void }) {
  const t = texts.value.commands;
  return (
    <div class="command-details">
      <Steps command={command} />
      <Progress command={command} />
      <dl class="facts-list">
        <div>
          <dt>{t.state}</dt>
          <dd>
            <CommandState command={command} />
          </dd>
        </div>
        <div>
          <dt>{t.ordered}</dt>
          <dd>
            <When time={command.created_at} at /> {command.requested_by_name && <Name of={t.by(command.requested_by_name)} />}
          </dd>
        </div>
        {command.approved_at && (
          <div>
            <dt>{t.steps.approved}</dt>
            <dd>
              <When time={command.approved_at} at /> {command.approved_by_name && <Name of={t.by(command.approved_by_name)} />}
            </dd>
          </div>
        )}
        {command.status === "pending" && (
          <div>
            <dt>{t.expires}</dt>
            <dd>
              <When time={command.expires_at} at />
            </dd>
          </div>
        )}
        {command.completed_at && command.started_at && (
          <div>
            <dt>{t.took}</dt>
            <dd>{duration((Date.parse(command.completed_at) - Date.parse(command.started_at)) / 1000)}</dd>
          </div>
        )}
        {command.exit_code !== null && (
          <div>
            <dt>{t.exitCode}</dt>
            <dd>{command.exit_code}</dd>
          </div>
        )}
        {command.params && Object.keys(command.params).length > 0 && (
          <div>
            <dt>{t.params}</dt>
            <dd>
              <code>{JSON.stringify(command.params)}</code>
            </dd>
          </div>
        )}
        {command.error_message && (
          <div>
            <dt>{t.error}</dt>
            <dd>
              <Name of={command.error_message} />
            </dd>
          </div>
        )}
      </dl>
      <Output title={t.stdout} text={command.stdout} isCut={command.stdout_cut} />
      <Output title={t.stderr} text={command.stderr} isCut={command.stderr_cut} />
      {may("order_commands") && OPEN.has(command.status) && <Decide command={command} done={done} />}
    </div>
  );
}

function Output({ title, text, isCut }: { title: string; text: string | null; isCut: boolean }) {
  if (!text) return null;
  return (
    <section class="output">
      <h3>
        {title} {isCut && <span class="tag">{texts.value.commands.cut}</span>} <CopyButton text={text} />
      </h3>
      <pre tabIndex={0} aria-label={title}>
        {text}
      </pre>
    </section>
  );
}

/** Approve as the second employee, or cancel with a reason. */
function Decide({ command, done }: { command: Command; done: () => void }) {
  const t = texts.value.commands;
  const [reason, setReason] = useState("");
  const isOwn = command.requested_by === me.value?.employee_id;
  const at = `/api/agents/${command.agent_id}/commands/${command.command_id}`;
  return (
    <div class="decide">
      {command.awaits_approval &&
        (isOwn ? (
          <p class="word warning">{t.someoneElse}</p>
        ) : (
          <ActButton
            class="primary"
            act={async () => {
              await call("POST", `${at}/approve`);
              say(t.approvedNow);
              done();
            }}
          >
            {t.approve}
          </ActButton>
        ))}
      <Field label={t.reason}>{(id) => <input id={id} maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />}</Field>
      <ActButton
        act={async () => {
          await call("POST", `${at}/cancel`, { body: { reason: reason.trim() || null } });
          done();
        }}
      >
        {t.cancelIt}
      </ActButton>
    </div>
  );
}
