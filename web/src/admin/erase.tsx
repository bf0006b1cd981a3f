// Asking for an erasure: of what, how many rows that is, and the names typed to confirm.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { ErasureCounts, ErasureRequested } from "../api/schema";
import { number } from "../lib/format";
import { isTyped } from "../lib/names";
import { texts } from "../texts";
import { ActButton, Field } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { say } from "../ui/toasts";
import { Rows } from "./erasures";
import { NO_SUBJECT, SubjectChoice, type Subject } from "./subject";

export function EraseDialog({ close, done }: { close: () => void; done: () => void }) {
  const t = texts.value.erasure;
  const [subject, setSubject] = useState<Subject>(NO_SUBJECT);
  const [found, setFound] = useState<ErasureCounts | null>(null);
  const count = async () => setFound(await call<ErasureCounts>("POST", "/api/admin/erasures/counts", { body: { kind: subject.kind, subject_id: subject.id } }));
  const choose = (chosen: Subject) => {
    setSubject(chosen);
    setFound(null);
  };
  return (
    <Dialog title={t.ask} close={close} wide>
      <p>{t.askHelp}</p>
      <SubjectChoice label={t.which} value={subject} change={choose} />
      <footer>
        <ActButton class={found ? "" : "primary"} act={count} disabled={!subject.id}>
          {t.count}
        </ActButton>
      </footer>
      {found && (
        <Confirm
          subject={subject}
          found={found}
          done={() => {
            close();
            done();
          }}
        />
      )}
    </Dialog>
  );
}

function Confirm({ subject, found, done }: { subject: Subject; found: ErasureCounts; done: () => void }) {
  const t = texts.value.erasure;
  const [typed, setTyped] = useState("");
  const [database, setDatabase] = useState("");
  const [reason, setReason] = useState("");
  const isConfirmed = isTyped(typed, subject.name) && database.trim() && reason.trim();
  const erase = async () => {
    const made = await call<ErasureRequested>("POST", "/api/admin/erasures", { body: { kind: subject.kind, subject_id: subject.id, reason: reason.trim(), database: database.trim() } });
    say(t.isAsked(made.erasure_id));
    done();
  };
  return (
    <>
      <Rows label={t.wouldDelete} rows={found.rows} />
      <p>{t.auditStays(number(found.audit_rows))}</p>
      <Field label={texts.value.retention.reason}>{(id) => <input id={id} maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />}</Field>
      <Field label={texts.value.commands.typeName(subject.name)}>{(id) => <input id={id} autocomplete="off" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} />}</Field>
      <Field label={texts.value.retention.database} help={t.databaseHelp}>
        {(id, help) => <input id={id} aria-describedby={help} autocomplete="off" value={database} onInput={(event) => setDatabase(event.currentTarget.value)} />}
      </Field>
      <footer>
        <ActButton class="primary" act={erase} disabled={!isConfirmed}>
          {t.ask}
        </ActButton>
      </footer>
    </>
  );
}
