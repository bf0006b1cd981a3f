// The commands of a device, newest first, with their course.
import { useState } from "preact/hooks";
import type { AgentDetail } from "../api/schema";
import { may } from "../api/session";
import { CommandDialog } from "../commands/dialog";
import { CommandList } from "../commands/list";
import { texts } from "../texts";

export function CommandsTab({ device }: { device: AgentDetail }) {
  const [isOpen, open] = useState(false);
  return (
    <>
      {may("order_commands") && device.is_active && (
        <div class="tab-tools">
          <button type="button" class="primary" onClick={() => open(true)}>
            {texts.value.device.command}
          </button>
        </div>
      )}
      <CommandList agent={device.id} />
      {isOpen && <CommandDialog device={device} close={() => open(false)} />}
    </>
  );
}
