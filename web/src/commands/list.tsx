// Commands as a list, with the chosen one open beneath it.
import type { Command } from "../api/schema";
import { useEffect } from "preact/hooks";
import { followDevices, onMessage } from "../lib/live";
import { usePages, type Paged } from "../lib/pages";
import { param, setParams } from "../lib/url";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { CommandState, OPEN } from "./course";
import { CommandDetails } from "./details";

const FOLLOWED = 200;

/** Read commands again after each update of one that shows. */
export function useCommands(query: Record<string, string | boolean | null>): Paged<Command> {
  const key = JSON.stringify(query);
  const list = usePages<Command>("/api/agents/commands", { ...query, limit: 100 }, "commands", { every: 20 });
  const open = (list.rows ?? []).filter((row) => OPEN.has(row.status)).map((row) => row.agent_id);
  const followed = [...new Set(open)].slice(0, FOLLOWED).join();
  useEffect(() => {
    const leave = followed ? followDevices(followed.split(",")) : () => undefined;
    let timer = 0;
    const stop = onMessage("command_update", () => {
      clearTimeout(timer);
      timer = window.setTimeout(list.reload, 300);
    });
    return () => {
      leave();
      stop();
      clearTimeout(timer);
    };
  }, [followed, key]);
  return list;
}

export function CommandList({ agent }: { agent: string }) {
  const list = useCommands({ agent_id: agent });
  return <CommandRows of={list} withDevice={false} empty={<Empty title={texts.value.commands.emptyDevice} />} />;
}

export function CommandRows({ of, withDevice, empty }: { of: Paged<Command>; withDevice: boolean; empty: preact.ComponentChildren }) {
  const t = texts.value.commands;
  const chosen = of.rows?.find((row) => row.command_id === param("command"));
  const heads: Array<Head<Command>> = [
    {
      title: t.type,
      cell: (row) => (
        <button type="button" class="link" onClick={() => setParams({ command: row.command_id }, "push")}>
          {t.types[row.command_type] ?? row.command_type}
        </button>
      ),
    },
    { title: t.state, cell: (row) => <CommandState command={row} /> },
    { title: t.ordered, cell: (row) => <When time={row.created_at} at /> },
    { title: t.who, cell: (row) => <Name of={row.requested_by_name ?? "–"} /> },
    { title: t.ended, cell: (row) => (row.completed_at ? <When time={row.completed_at} at /> : "–") },
    { title: t.exitCode, cell: (row) => row.exit_code ?? "–", class: "number" },
  ];
  if (withDevice) {
    heads.splice(1, 0, {
      title: t.device,
      cell: (row) => (
        <a href={`/dashboard/agents/${row.agent_id}?tab=commands`}>
          <Name of={row.device_name} />
        </a>
      ),
    });
  }
  const close = () => setParams({ command: null });
  return (
    <>
      <PagedTable of={of} heads={heads} keyOf={(row) => row.command_id} label={texts.value.nav.commands} empty={empty} />
      {chosen && (
        <Dialog title={`${t.types[chosen.command_type] ?? chosen.command_type} · ${chosen.device_name}`} close={close} wide>
          <CommandDetails agent={chosen.agent_id} id={chosen.command_id} changed={of.reload} />
        </Dialog>
      )}
    </>
  );
}
