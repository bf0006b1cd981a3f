// A command to many devices: the targets were frozen when the dialog opened; it shows what will happen before it does.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import { me } from "../api/session";
import type { Batch } from "../api/schema";
import type { Device } from "../fleet/store";
import { clearSelection } from "../fleet/selection";
import { serverNow } from "../lib/clock";
import { number, shortTime } from "../lib/format";
import { texts } from "../texts";
import { ActButton, Field, useDraft } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { Name } from "../ui/name";
import { Mark } from "../ui/status";
import { bodyOf, isWhole, NEW_ORDER, OrderForm, useCatalogue, type Order } from "./form";

const AT_ONCE = 1000;

export function BulkCommand({ targets, close }: { targets: Device[]; close: () => void }) {
  const t = texts.value.commands;
  const catalogue = useCatalogue();
  const [order, setOrder, forget] = useDraft<Order>("bulk order", NEW_ORDER);
  const [typed, setTyped] = useState("");
  const [batches, setBatches] = useState<Batch[]>();
  const info = catalogue?.commands.find((one) => one.command_type === order.command_type);
  if (batches) return <Outcome batches={batches} targets={targets} close={close} />;
  const away = targets.filter((device) => ["offline", "disabled"].includes(device.live.peek().status));
  const above = me.value?.approval_above_devices ?? 10;
  const mustWait = targets.length > above || order.approval_required || info?.approval_required === true;
  const until = shortTime(serverNow() + order.expires_in_hours * 3_600_000);
  const send = async () => {
    const made: Batch[] = [];
    for (let start = 0; start < targets.length; start += AT_ONCE) {
      const ids = targets.slice(start, start + AT_ONCE).map((device) => device.id);
      made.push(await call<Batch>("POST", "/api/agents/commands", { body: { ...bodyOf(order, info), agent_ids: ids } }));
      setBatches([...made]);
    }
    forget();
    clearSelection();
  };
  return (
    <Dialog title={t.bulkTitle(number(targets.length))} close={close} wide>
      <OrderForm order={order} change={setOrder} catalogue={catalogue} />
      <p>{away.length ? t.split(number(targets.length - away.length), number(away.length), until) : t.allNow(number(targets.length))}</p>
      {mustWait && <p class="banner info">{targets.length > above ? t.aboveNeedsApproval(above) : t.willWait}</p>}
      <details class="targets" open={targets.length <= 12}>
        <summary>{t.targets(number(targets.length))}</summary>
        <ul>
          {targets.map((device) => (
            <li key={device.id}>
              <Mark kind={device.live.peek().status} label={texts.value.statuses[device.live.peek().status]} /> <Name of={device.name} /> <span class="faint">{device.business}</span>
            </li>
          ))}
        </ul>
      </details>
      {info?.dangerous && <Field label={t.typeCount(targets.length)}>{(id) => <input id={id} autocomplete="off" inputMode="numeric" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />}</Field>}
      <footer>
        <ActButton class="primary" act={send} disabled={!isWhole(order, info) || (info?.dangerous && typed.trim() !== String(targets.length))}>
          {t.sendTo(number(targets.length))}
        </ActButton>
        <button type="button" onClick={close}>
          {texts.value.cancel}
        </button>
      </footer>
    </Dialog>
  );
}

function Outcome({ batches, targets, close }: { batches: Batch[]; targets: Device[]; close: () => void }) {
  const t = texts.value.commands;
  const made = batches.reduce((sum, batch) => sum + batch.commands.length, 0);
  const failed = batches.flatMap((batch) => batch.not_created);
  const waits = batches.some((batch) => batch.commands.some((command) => command.awaits_approval));
  const names = new Map(targets.map((device) => [device.id, device.name]));
  return (
    <Dialog title={t.outcome} close={close}>
      <p role="status">{t.made(number(made), number(targets.length))}</p>
      {waits && <p class="banner info">{t.waitsNow}</p>}
      {failed.length > 0 && (
        <ul class="bad-list">
          {failed.map((one) => (
            <li key={one.agent_id}>
              <Name of={names.get(one.agent_id) ?? one.agent_id} />: {t.notCreated[one.code]}
            </li>
          ))}
        </ul>
      )}
      <footer>
        {batches[0] && (
          <a class="button primary" href={`/dashboard/commands?batch=${batches[0].batch_id}`} onClick={close}>
            {t.follow}
          </a>
        )}
        <button type="button" onClick={close}>
          {texts.value.close}
        </button>
      </footer>
    </Dialog>
  );
}
