// Erasure, for DBAs: done and waiting erasures with their certificates; a form to request one.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { Erasure } from "../api/schema";
import { may } from "../api/session";
import { save } from "../lib/csv";
import { fullTime, number } from "../lib/format";
import { useGet } from "../lib/resource";
import { texts } from "../texts";
import { ActButton, When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { Facts } from "../ui/facts";
import { Table } from "../ui/list";
import { Name } from "../ui/name";
import { Empty, Loaded, Skeleton } from "../ui/states";
import { say } from "../ui/toasts";
import { EraseDialog } from "./erase";

const EVERY_SECONDS = 30;

export function Erasures() {
  const t = texts.value.erasure;
  const list = useGet<Erasure[]>("/api/admin/erasures", {}, { every: EVERY_SECONDS });
  const [isAsking, ask] = useState(false);
  const [chosen, choose] = useState<number | null>(null);
  const certificate = list.data?.find((one) => one.erasure_id === chosen);
  return (
    <section class="panel">
      <h2>{t.list}</h2>
      <p class="faint">{t.help}</p>
      <Loaded of={list} skeleton={<Skeleton lines={6} />}>
        {(rows) => (rows.length ? <List rows={rows} choose={choose} reload={list.reload} /> : <Empty title={t.none} />)}
      </Loaded>
      {may("keep_storage") ? (
        <footer>
          <button type="button" onClick={() => ask(true)}>
            {t.ask}
          </button>
        </footer>
      ) : (
        <p class="faint">{texts.value.retention.readOnly}</p>
      )}
      {isAsking && <EraseDialog close={() => ask(false)} done={list.reload} />}
      {certificate && <Certificate of={certificate} close={() => choose(null)} />}
    </section>
  );
}

function List({ rows, choose, reload }: { rows: Erasure[]; choose: (id: number) => void; reload: () => void }) {
  const t = texts.value.erasure;
  const cancel = async (id: number) => {
    await call("POST", `/api/admin/erasures/${id}/cancel`);
    say(t.cancelled);
    reload();
  };
  return (
    <Table
      label={t.list}
      rows={rows}
      keyOf={(row) => row.erasure_id}
      heads={[
        { title: t.subject, cell: (row) => <SubjectOf of={row} /> },
        { title: texts.value.retention.devices, cell: (row) => number(row.devices), class: "number" },
        { title: texts.value.retention.state, cell: (row) => <span class={`word ${row.state === "waiting" ? "warning" : ""}`}>{t.states[row.state as "waiting"] ?? row.state}</span> },
        { title: t.rows, cell: (row) => (row.erased_at ? number(sum(row.deleted)) : "–"), class: "number" },
        { title: texts.value.retention.by, cell: (row) => <>{row.requested_by} <span class="faint"><When time={row.requested_at} /></span></> },
        { title: texts.value.retention.reason, cell: (row) => <Name of={row.reason} /> },
        {
          title: texts.value.actions,
          cell: (row) => (
            <span class="buttons">
              <button type="button" class="small" onClick={() => choose(row.erasure_id)}>
                {t.certificate}
              </button>
              {row.state === "waiting" && may("keep_storage") && <ActButton class="small" act={() => cancel(row.erasure_id)}>{t.cancel}</ActButton>}
            </span>
          ),
        },
      ]}
    />
  );
}

/** The kind and the number: the name is erased with the rest. */
function SubjectOf({ of }: { of: Erasure }) {
  return (
    <>
      {of.erasure_id}. {texts.value.erasure.kinds[of.kind]} <code>{of.subject_id}</code>
    </>
  );
}

const sum = (rows: Record<string, number>) => Object.values(rows).reduce((all, one) => all + one, 0);

function Certificate({ of, close }: { of: Erasure; close: () => void }) {
  const t = texts.value.erasure;
  return (
    <Dialog title={t.certificateOf(of.erasure_id)} close={close} wide>
      <Facts
        facts={[
          [t.subject, <SubjectOf of={of} />],
          [texts.value.retention.state, t.states[of.state as "waiting"] ?? of.state],
          [t.asked, fullTime(of.requested_at)],
          [t.erased, of.erased_at ? fullTime(of.erased_at) : t.atNight],
          [t.proven, of.proven_at ? fullTime(of.proven_at) : "–"],
          [texts.value.retention.database, of.database],
          ["SHA-256", <code>{of.sha256}</code>],
        ]}
      />
      <Rows label={t.deleted} rows={of.deleted} />
      {sum(of.recount) > 0 && <Rows label={t.again} rows={of.recount} />}
      <footer>
        <button type="button" onClick={() => save(`erasure-${of.erasure_id}.json`, `${JSON.stringify(of, null, 2)}\n`, "application/json")}>
          {t.download}
        </button>
      </footer>
    </Dialog>
  );
}

/** Rows by table, those without any left out. */
export function Rows({ label, rows }: { label: string; rows: Record<string, number> }) {
  const t = texts.value.retention;
  const some = Object.entries(rows).filter(([, count]) => count > 0);
  if (!some.length) return null;
  return (
    <>
      <h3>{label}</h3>
      <Table
        label={label}
        rows={some}
        keyOf={([name]) => name}
        heads={[
          { title: t.relation, cell: ([name]) => <code>{name}</code> },
          { title: t.rows, cell: ([, count]) => number(count), class: "number" },
        ]}
      />
    </>
  );
}
