// The hosts of a gateway's customer: confirm one as a new device or as one that is there, or refuse it.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { Gateway, Host } from "../api/schema";
import { usePages } from "../lib/pages";
import { param } from "../lib/url";
import { texts } from "../texts";
import { ActButton, Field, Tabs, When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { say } from "../ui/toasts";

const STATES = ["waiting", "confirmed", "refused"] as const;

export function Hosts({ gateway, reload }: { gateway: Gateway; reload: () => void }) {
  const t = texts.value.gateways;
  const asked = param("state");
  const tab = STATES.find((state) => state === asked) ?? "waiting";
  const [confirmed, confirm] = useState<Host | null>(null);
  const list = usePages<Host>(`/api/agents/gateways/${gateway.id}/hosts`, { state: tab, limit: 100 }, "hosts", { every: 15 });
  const renew = () => {
    list.reload();
    reload();
  };
  const refuse = async (host: Host) => {
    await call("POST", `/api/agents/gateways/${gateway.id}/hosts/${host.id}/refuse`);
    say(t.isRefused(host.host));
    renew();
  };
  const heads: Array<Head<Host>> = [
    { title: t.host, class: "name", cell: (row) => <Name of={row.host} /> },
    { title: t.firstSeen, cell: (row) => <When time={row.first_seen_at} /> },
    { title: t.device, cell: (row) => (row.agent_id ? <a href={`/dashboard/agents/${row.agent_id}`}><Name of={row.device_name ?? row.agent_id} /></a> : row.same_name_agent_id ? <a href={`/dashboard/agents/${row.same_name_agent_id}`}>{t.sameName}</a> : "–") },
    {
      title: texts.value.actions,
      cell: (row) => (
        <span class="buttons">
          {row.state !== "confirmed" && (
            <button type="button" class="small" onClick={() => confirm(row)}>
              {t.confirm}
            </button>
          )}
          {row.state !== "refused" && (
            <ActButton class="small" act={() => refuse(row)}>
              {t.refuse}
            </ActButton>
          )}
        </span>
      ),
    },
  ];
  return (
    <section class="panel">
      <h2>{t.hostsOf(gateway.name)}</h2>
      <Tabs name="state" label={t.hosts} chosen={tab} tabs={STATES.map((state) => [state, t.states[state]])} />
      <PagedTable of={list} heads={heads} keyOf={(row) => row.id} label={t.hosts} empty={<Empty title={t.noHosts[tab]} />} />
      {confirmed && (
        <Confirm
          gateway={gateway}
          host={confirmed}
          close={() => confirm(null)}
          done={() => {
            confirm(null);
            renew();
          }}
        />
      )}
    </section>
  );
}

/** A new device of a name, or the device of the same host name; its own agent may have to stop. */
function Confirm({ gateway, host, close, done }: { gateway: Gateway; host: Host; close: () => void; done: () => void }) {
  const t = texts.value.gateways;
  const [isSame, setSame] = useState(host.same_name_agent_id !== null);
  const [name, setName] = useState(host.host);
  const [replaces, setReplaces] = useState(false);
  const confirm = async () => {
    const body = isSame ? { agent_id: host.same_name_agent_id, replace_agent: replaces } : { device_name: name.trim() };
    await call("POST", `/api/agents/gateways/${gateway.id}/hosts/${host.id}/confirm`, { body });
    say(t.isConfirmed(host.host));
    done();
  };
  return (
    <Dialog title={t.confirmTitle(host.host)} close={close}>
      {host.same_name_agent_id && (
        <Field label={t.becomes}>
          {(id) => (
            <select id={id} value={isSame ? "same" : "new"} onChange={(event) => setSame(event.currentTarget.value === "same")}>
              <option value="same">{t.sameName}</option>
              <option value="new">{t.newDevice}</option>
            </select>
          )}
        </Field>
      )}
      {isSame ? (
        <label class="check">
          <input type="checkbox" checked={replaces} onChange={(event) => setReplaces(event.currentTarget.checked)} />
          <span>{t.replaces}</span>
        </label>
      ) : (
        <Field label={t.deviceName}>{(id) => <input id={id} maxLength={255} value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
      )}
      <footer>
        <ActButton class="primary" act={confirm} disabled={!isSame && !name.trim()}>
          {t.confirm}
        </ActButton>
      </footer>
    </Dialog>
  );
}
