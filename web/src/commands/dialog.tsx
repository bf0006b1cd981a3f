// A command to one device: ordered, then followed in the same dialog.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { AgentDetail, Command } from "../api/schema";
import { isTyped } from "../lib/names";
import { texts } from "../texts";
import { ActButton, Field, useDraft } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { CommandDetails } from "./details";
import { bodyOf, isWhole, NEW_ORDER, OrderForm, useCatalogue, type Order } from "./form";

export function CommandDialog({ device, close }: { device: AgentDetail; close: () => void }) {
  const t = texts.value.commands;
  const catalogue = useCatalogue();
  const [order, setOrder, forget] = useDraft<Order>(`order ${device.id}`, NEW_ORDER);
  const [typed, setTyped] = useState("");
  const [made, setMade] = useState<Command>();
  const info = catalogue?.commands.find((one) => one.command_type === order.command_type);
  const isOffline = device.status === "offline";
  const isConfirmed = !info?.dangerous || isTyped(typed, device.device_name);
  if (made) {
    return (
      <Dialog title={`${t.types[made.command_type] ?? made.command_type} · ${device.device_name}`} close={close} wide>
        <CommandDetails agent={device.id} id={made.command_id} />
      </Dialog>
    );
  }
  const send = async () => {
    const command = await call<Command>("POST", `/api/agents/${device.id}/commands`, { body: bodyOf(order, info) });
    forget();
    setMade(command);
  };
  return (
    <Dialog title={t.orderFor(device.device_name)} close={close}>
      <OrderForm order={order} change={setOrder} catalogue={catalogue} />
      {isOffline && <p class="banner info">{t.isOffline(order.expires_in_hours)}</p>}
      {(info?.approval_required || order.approval_required) && <p class="banner info">{t.willWait}</p>}
      {info?.dangerous && <Field label={t.typeName(device.device_name)}>{(id) => <input id={id} autocomplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />}</Field>}
      <footer>
        <ActButton class="primary" act={send} disabled={!isWhole(order, info) || !isConfirmed}>
          {t.send}
        </ActButton>
      </footer>
    </Dialog>
  );
}
