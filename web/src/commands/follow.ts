// A command's newest state: by the live channel's hints, and over HTTP after 20 s without one.
import { useEffect } from "preact/hooks";
import { call } from "../api/call";
import type { Command } from "../api/pending";
import { followDevices, onMessage } from "../lib/live";
import { useResource, type Resource } from "../lib/resource";
import { OPEN } from "./course";

const QUIET_SECONDS = 20;

export function useCommand(agent: string, id: string): Resource<Command> {
  const command = useResource<Command>(`command ${id}`, (signal) => call("GET", `/api/agents/${agent}/commands/${id}`, { signal }));
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
