// Legal holds: data of a customer or a device that retention may not drop.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { LegalHold } from "../api/schema";
import { may } from "../api/session";
import { texts } from "../texts";
import { ActButton, Field, SearchBox, When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { Table } from "../ui/list";
import { useBusinesses } from "../ui/place_picker";
import { Empty } from "../ui/states";
import { say } from "../ui/toasts";
import { useGet } from "../lib/resource";

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
            { title: t.held, cell: (row) => <bdi>{row.subject}</bdi> },
            { title: t.devices, cell: (row) => row.devices, class: "number" },
            { title: t.reason, cell: (row) => <bdi>{row.reason}</bdi> },
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

type Kind = LegalHold["kind"];

function HoldDialog({ close, done }: { close: () => void; done: () => void }) {
  const t = texts.value.retention;
  const [kind, setKind] = useState<Kind>("business");
  const [subject, setSubject] = useState("");
  const [reason, setReason] = useState("");
  const [end, setEnd] = useState("");
  const place = async () => {
    await call("POST", "/api/admin/retention/holds", { body: { kind, subject_id: subject, reason: reason.trim(), ends_at: end ? new Date(end).toISOString() : null } });
    say(t.isHeld);
    done();
  };
  return (
    <Dialog title={t.hold} close={close}>
      <Field label={t.kind}>
        {(id) => (
          <select
            id={id}
            value={kind}
            onChange={(event) => {
              setKind(event.currentTarget.value as Kind);
              setSubject("");
            }}
          >
            <option value="business">{texts.value.places.business}</option>
            <option value="device">{t.oneDevice}</option>
          </select>
        )}
      </Field>
      {kind === "business" ? <BusinessChoice value={subject} change={setSubject} /> : <DeviceChoice value={subject} change={setSubject} />}
      <Field label={t.reason}>{(id) => <input id={id} maxLength={500} value={reason} onInput={(event) => setReason(event.currentTarget.value)} />}</Field>
      <Field label={t.endsAt} help={t.endsAtHelp}>
        {(id, help) => <input id={id} aria-describedby={help} type="datetime-local" value={end} onInput={(event) => setEnd(event.currentTarget.value)} />}
      </Field>
      <footer>
        <ActButton class="primary" act={place} disabled={!subject || !reason.trim()}>
          {t.hold}
        </ActButton>
      </footer>
    </Dialog>
  );
}

interface ChoiceProps {
  value: string;
  change: (id: string) => void;
}

function BusinessChoice(props: ChoiceProps) {
  const businesses = useBusinesses();
  return <Choice {...props} label={texts.value.retention.held} options={(businesses.data?.businesses ?? []).map((one) => [one.id, one.business_name])} />;
}

function DeviceChoice(props: ChoiceProps) {
  const [search, setSearch] = useState("");
  const found = useGet<{ agents: Array<{ id: string; device_name: string; business: { business_name: string } }> }>(search ? "/api/agents" : null, { search, limit: 20 });
  return (
    <>
      <SearchBox label={texts.value.top.search} value={search} change={setSearch} />
      <Choice {...props} label={texts.value.retention.held} options={(found.data?.agents ?? []).map((one) => [one.id, `${one.device_name} (${one.business.business_name})`])} />
    </>
  );
}

function Choice({ label, value, change, options }: ChoiceProps & { label: string; options: Array<[string, string]> }) {
  return (
    <Field label={label}>
      {(id) => (
        <select id={id} value={value} onChange={(event) => change(event.currentTarget.value)}>
          <option value="">{texts.value.places.choose}</option>
          {options.map(([key, name]) => (
            <option key={key} value={key}>
              {name}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
