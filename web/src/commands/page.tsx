// All commands: open ones, those that wait for a second employee, a batch with its outcome by state.
import { call } from "../api/call";
import { isEmployee, may, me } from "../api/session";
import type { BatchChange, Command } from "../api/schema";
import { number } from "../lib/format";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { ActButton, Tabs } from "../ui/controls";
import { Empty } from "../ui/states";
import { say } from "../ui/toasts";
import { OPEN } from "./course";
import { CommandRows, useCommands } from "./list";

const OPEN_STATES = "pending,sent,executing";
const FAILED = new Set(["failed", "timeout", "expired"]);

export function CommandsPage() {
  const t = texts.value.commands;
  const batch = param("batch");
  const tab = param("state") || "all";
  const status = param("status");
  const query = {
    batch_id: batch || null,
    awaits_approval: tab === "approval" && !batch ? true : null,
    status: status || (tab === "open" && !batch ? OPEN_STATES : null),
  };
  const list = useCommands(query);
  const tabs: Array<[string, string]> = [["all", t.tabs.all], ["open", t.tabs.open]];
  if (isEmployee.value) tabs.push(["approval", t.tabs.approval]);
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{batch ? t.batch : texts.value.nav.commands}</h1>
        {batch && (
          <a class="button small" href="/dashboard/commands">
            {t.allCommands}
          </a>
        )}
      </div>
      {batch ? <BatchHead batch={batch} rows={list.rows ?? []} done={list.reload} /> : <Tabs name="state" tabs={tabs} chosen={tab} label={texts.value.nav.commands} />}
      {tab === "approval" && !batch && <p class="faint">{t.approvalHelp}</p>}
      <CommandRows of={list} withDevice empty={<Empty title={tab === "approval" ? t.nothingAwaits : t.empty} />} />
    </main>
  );
}

/** How a batch stands: counts by state that filter, approval, cancelling, again on those that failed. */
function BatchHead({ batch, rows, done }: { batch: string; rows: Command[]; done: () => void }) {
  const t = texts.value.commands;
  const all = useCommands({ batch_id: batch });
  const everything = param("status") ? (all.rows ?? []) : rows;
  const counts = new Map<Command["status"], number>();
  for (const row of everything) counts.set(row.status, (counts.get(row.status) ?? 0) + 1);
  const awaits = everything.filter((row) => row.awaits_approval);
  const isOwn = awaits.some((row) => row.requested_by === me.value?.employee_id);
  const failed = everything.filter((row) => FAILED.has(row.status));
  const decide = async (what: "approve" | "cancel") => {
    const change = await call<BatchChange>("POST", `/api/agents/commands/batches/${batch}/${what}`);
    say(t.changed(number(change.changed.length)));
    done();
    all.reload();
  };
  const again = async () => {
    const [first] = failed;
    if (!first) return;
    const full = await call<Command>("GET", `/api/agents/${first.agent_id}/commands/${first.command_id}`);
    const body = { command_type: full.command_type, params: full.params ?? {}, timeout_seconds: full.timeout_seconds, agent_ids: failed.map((row) => row.agent_id) };
    const made = await call<{ batch_id: string }>("POST", "/api/agents/commands", { body });
    setParams({ batch: made.batch_id, status: null }, "push");
  };
  return (
    <div class="batch-head">
      <div class="segments" role="group" aria-label={t.state}>
        <button type="button" aria-pressed={!param("status")} onClick={() => setParams({ status: null })}>
          {t.tabs.all} {number(everything.length)}
        </button>
        {[...counts].map(([status, count]) => (
          <button key={status} type="button" aria-pressed={param("status") === status} onClick={() => setParams({ status })}>
            {t.states[status]} {number(count)}
          </button>
        ))}
      </div>
      {may("approve_commands") && awaits.length > 0 && (isOwn ? <p class="word warning">{t.someoneElse}</p> : <ActButton class="primary" act={() => decide("approve")}>{t.approveAll(number(awaits.length))}</ActButton>)}
      {may("order_commands") && everything.some((row) => OPEN.has(row.status)) && <ActButton act={() => decide("cancel")}>{t.cancelAll}</ActButton>}
      {may("order_commands") && failed.length > 0 && <ActButton act={again}>{t.againOn(number(failed.length))}</ActButton>}
    </div>
  );
}
