// What employees do with a device's life: deactivate, decommission, rotate its token, dismiss a suspected clone.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import { isTyped } from "../lib/names";
import { texts } from "../texts";
import { ActButton, Field } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { say } from "../ui/toasts";

export interface Living {
  id: string;
  device_name: string;
  is_active: boolean;
  decommissioned_at: string | null;
  clone_suspected_at: string | null;
  rotation_requested_at?: string | null;
}

type Step = "deactivate" | "decommission" | "rotate" | "remove";

export function LifeActions({ device, done }: { device: Living; done: () => void }) {
  const t = texts.value.life;
  const [step, ask] = useState<Step | null>(null);
  const at = `/api/agents/${device.id}`;
  const run = async (method: "POST" | "DELETE", path: string, words: string, body?: unknown) => {
    await call(method, at + path, body === undefined ? {} : { body });
    say(words);
    ask(null);
    done();
  };
  const gone = device.decommissioned_at !== null;
  return (
    <span class="buttons">
      {!gone && (device.is_active ? <Ask name={t.deactivate} ask={() => ask("deactivate")} /> : <ActButton class="small" act={() => run("POST", "/activate", t.activated)}>{t.activate}</ActButton>)}
      {!gone && device.is_active && <Ask name={device.rotation_requested_at ? t.rotateAgain : t.rotate} ask={() => ask("rotate")} />}
      {device.clone_suspected_at && <ActButton class="small" act={() => run("DELETE", "/clone-suspicion", t.dismissed)}>{t.dismissClone}</ActButton>}
      {!gone && <Ask name={t.decommission} ask={() => ask("decommission")} />}
      {gone && <Ask name={t.remove} ask={() => ask("remove")} />}
      {step === "deactivate" && <Confirm title={t.deactivate} sentence={t.deactivateHelp(device.device_name)} act={() => run("POST", "/deactivate", t.deactivated)} close={() => ask(null)} />}
      {step === "rotate" && <Confirm title={t.rotate} sentence={t.rotateHelp(device.device_name)} act={() => run("POST", "/token/rotation", t.rotated)} close={() => ask(null)} />}
      {step === "remove" && <Confirm title={t.remove} sentence={t.removeHelp(device.device_name)} act={() => run("DELETE", "", t.removed)} close={() => ask(null)} />}
      {step === "decommission" && <Decommission device={device} act={(reason) => run("POST", "/decommission", t.decommissioned, { reason })} close={() => ask(null)} />}
    </span>
  );
}

function Ask({ name, ask }: { name: string; ask: () => void }) {
  return (
    <button type="button" class="small" onClick={ask}>
      {name}
    </button>
  );
}

function Confirm({ title, sentence, act, close }: { title: string; sentence: string; act: () => Promise<void>; close: () => void }) {
  return (
    <Dialog title={title} close={close}>
      <p>{sentence}</p>
      <footer>
        <ActButton class="primary" act={act}>
          {title}
        </ActButton>
        <button type="button" onClick={close}>
          {texts.value.cancel}
        </button>
      </footer>
    </Dialog>
  );
}

/** For good: with a reason, and the device's name typed. */
function Decommission({ device, act, close }: { device: Living; act: (reason: string) => Promise<void>; close: () => void }) {
  const t = texts.value.life;
  const [reason, setReason] = useState("");
  const [typed, setTyped] = useState("");
  return (
    <Dialog title={t.decommission} close={close}>
      <p>{t.decommissionHelp(device.device_name)}</p>
      <Field label={t.reason}>{(id) => <input id={id} maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />}</Field>
      <Field label={texts.value.commands.typeName(device.device_name)}>{(id) => <input id={id} autocomplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />}</Field>
      <footer>
        <ActButton class="primary" act={() => act(reason.trim())} disabled={!reason.trim() || !isTyped(typed, device.device_name)}>
          {t.decommission}
        </ActButton>
      </footer>
    </Dialog>
  );
}
