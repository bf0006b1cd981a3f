// Legal holds: data of a customer or a device that retention may not drop.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { LegalHold } from "../api/schema";
import { may } from "../api/session";
import { texts } from "../texts";
import { ActButton, Field, When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { Table } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { say } from "../ui/toasts";
import { NO_SUBJECT, SubjectChoice, type Subject } from "./subject";

export function Holds({ holds, reload }: { holds: LegalHold[]; reload: () => void }) {
  const t = texts.value.retention;
  const [isOpen, open] = useState(false);
  const release = async (hold: LegalHold) => {
    await call("POST", `/api/admin/retention/holds/${hold.hold_id}/release`);
    say(t.released);
    reload();
  };
  return (
    <section class="panel">
      <h2>{t.holds}</h2>
      <p class="faint">{t.holdsHelp}</p>
      {holds.length ? (
        <Table
          label={t.holds}
          rows={holds}
          keyOf={(row) => row.hold_id}
          heads={[
            { title: t.held, cell: (row) => <Name of={row.subject} /> },
            { title: t.devices, cell: (row) => row.devices, class: "number" },
            { title: t.reason, cell: (row) => <Name of={row.reason} /> },
            { title: t.placed, cell: (row) => <>{row.placed_by} <span class="faint"><When time={row.placed_at} /></span></> },
            { title: t.ends, cell: (row) => (row.released_at ? <>{t.releasedWord} <When time={row.released_at} /></> : row.ends_at ? <When time={row.ends_at} at /> : t.untilReleased) },
            { title: texts.value.actions, cell: (row) => (!row.released_at && may("keep_storage") ? <ActButton class="small" act={() => release(row)}>{t.release}</ActButton> : "") },
          ]}
        />
      ) : (
        <Empty title={t.noHolds} />
      )}
      {may("keep_storage") && (
        <footer>
          <button type="button" onClick={() => open(true)}>
            {t.hold}
          </button>
        </footer>
      )}
      {isOpen && (
        <HoldDialog
          close={() => open(false)}
          done={() => {
            open(false);
            reload();
          }}
        />
      )}
    </section>
  );
}

function HoldDialog({ close, done }: { close: () => void; done: () => void }) {
  const t = texts.value.retention;
  const [subject, setSubject] = useState<Subject>(NO_SUBJECT);
  const [reason, setReason] = useState("");
  const [end, setEnd] = useState("");
  const place = async () => {
    await call("POST", "/api/admin/retention/holds", { body: { kind: subject.kind, subject_id: subject.id, reason: reason.trim(), ends_at: end ? new Date(end).toISOString() : null } });
    say(t.isHeld);
    done();
  };
  return (
    <Dialog title={t.hold} close={close}>
      <SubjectChoice label={t.held} value={subject} change={setSubject} />
      <Field label={t.reason}>{(id) => <input id={id} maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />}</Field>
      <Field label={t.endsAt} help={t.endsAtHelp}>
        {(id, help) => <input id={id} aria-describedby={help} type="datetime-local" value={end} onInput={(event) => setEnd(event.currentTarget.value)} />}
      </Field>
      <footer>
        <ActButton class="primary" act={place} disabled={!subject.id || !reason.trim()}>
          {t.hold}
        </ActButton>
      </footer>
    </Dialog>
  );
}
