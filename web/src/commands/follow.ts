// A command's newest state: by the live channel's hints, and over HTTP after 20 s without one.
import type { Command } from "../api/schema";
import { useGet, type Resource } from "../lib/resource";
import { useEffect } from "preact/hooks";
import { followDevices, onMessage } from "../lib/live";
import { OPEN } from "./course";

const QUIET_SECONDS = 20;

export function useCommand(agent: string, id: string): Resource<Command> {
  const command = useGet<Command>(`/api/agents/${agent}/commands/${id}`);
  const isOpen = command.data ? OPEN.has(command.data.status) : true;
  useEffect(() => {
    if (!isOpen) return undefined;
    const leave = followDevices([agent]);
    const stop = onMessage("command_update", (message) => {
      if (message.command_id === id) command.reload();
    });
    const timer = setInterval(() => command.reload(), QUIET_SECONDS * 1000);
    return () => {
      leave();
      stop();
      clearInterval(timer);
    };
  }, [agent, id, isOpen]);
  return command;
}
