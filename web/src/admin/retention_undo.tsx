// Undo the change of retention that waits: it has dropped nothing.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { RetentionChange, Undone } from "../api/schema";
import { texts } from "../texts";
import { ActButton, Field } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { say } from "../ui/toasts";

export function Undo({ change, done }: { change: RetentionChange; done: () => void }) {
  const t = texts.value.retention;
  const [isOpen, open] = useState(false);
  const [database, setDatabase] = useState("");
  const undo = async () => {
    const { message } = await call<Undone>("POST", `/api/admin/retention/changes/${change.change_id}/undo`, { body: { database: database.trim() } });
    open(false);
    say(message);
    done();
  };
  return (
    <>
      <button type="button" class="small" onClick={() => open(true)}>
        {texts.value.undo}
      </button>
      {isOpen && (
        <Dialog title={t.undoTitle} close={() => open(false)}>
          <p>{t.undoHelp}</p>
          <Field label={t.database}>{(id) => <input id={id} autocomplete="off" value={database} onInput={(event) => setDatabase(event.currentTarget.value)} />}</Field>
          <footer>
            <ActButton class="primary" act={undo} disabled={!database.trim()}>
              {texts.value.undo}
            </ActButton>
          </footer>
        </Dialog>
      )}
    </>
  );
}
