// Gateways: tokens whose uploads bring many hosts, and the hosts that wait for a decision.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { Gateway, MadeGateway } from "../api/schema";
import { number } from "../lib/format";
import { usePages } from "../lib/pages";
import { param, withParams } from "../lib/url";
import { texts } from "../texts";
import { ActButton, CopyButton, When } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { Empty } from "../ui/states";
import { say } from "../ui/toasts";
import { GatewayForm } from "./gateway_form";
import { Hosts } from "./hosts";

export function GatewaysPage() {
  const t = texts.value.gateways;
  const [isNew, openNew] = useState(false);
  const [made, show] = useState<MadeGateway | null>(null);
  const [ended, end] = useState<Gateway | null>(null);
  const list = usePages<Gateway>("/api/agents/gateways", { limit: 100 }, "gateways", { every: 30 });
  const chosen = list.rows?.find((one) => one.id === param("gateway"));
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.gateways}</h1>
        <span class="grow" />
        <button type="button" class="primary" onClick={() => openNew(true)}>
          {t.make}
        </button>
      </div>
      <p class="faint">{t.sentence}</p>
      <PagedTable of={list} heads={headsOf(end)} keyOf={(row) => row.id} label={texts.value.nav.gateways} rowClass={(row) => (row.revoked_at ? "off" : "")} empty={<Empty title={t.empty} />} />
      {chosen && <Hosts gateway={chosen} reload={list.reload} key={chosen.id} />}
      {isNew && (
        <GatewayForm
          close={() => openNew(false)}
          done={(gateway) => {
            openNew(false);
            show(gateway);
            list.reload();
          }}
        />
      )}
      {made && <Token made={made} close={() => show(null)} />}
      {ended && (
        <Revoke
          gateway={ended}
          close={() => end(null)}
          done={() => {
            end(null);
            list.reload();
          }}
        />
      )}
    </main>
  );
}

function headsOf(end: (gateway: Gateway) => void): Array<Head<Gateway>> {
  const t = texts.value.gateways;
  return [
    { title: t.name, class: "name", cell: (row) => <a href={withParams({ gateway: row.id, state: null })}><Name of={row.name} /></a> },
    { title: t.where, cell: (row) => <Name of={[row.business.business_name, row.service_location?.location_name].filter(Boolean).join(" / ")} /> },
    { title: t.enrolment, cell: (row) => (row.enrolment === "automatic" ? t.automatic(row.host_pattern) : t.confirmEach) },
    { title: t.hosts, cell: (row) => `${number(row.hosts)} / ${number(row.max_hosts)}`, class: "number" },
    { title: t.waiting, cell: (row) => (row.waiting ? <a class="tag bad" href={withParams({ gateway: row.id, state: null })}>{number(row.waiting)}</a> : "0"), class: "number" },
    { title: t.state, cell: (row) => (row.revoked_at ? <>{t.revokedWord} <When time={row.revoked_at} /></> : <>{t.inForce} {row.may_read && <span class="tag">{t.reads}</span>}</>) },
    {
      title: texts.value.actions,
      cell: (row) =>
        !row.revoked_at && (
          <button type="button" class="small" onClick={() => end(row)}>
            {t.revoke}
          </button>
        ),
    },
  ];
}

/** The token of a new gateway; the server shows it once. */
function Token({ made, close }: { made: MadeGateway; close: () => void }) {
  const t = texts.value.gateways;
  return (
    <Dialog title={t.isMade(made.gateway.name)} close={close} wide>
      <p>{t.once}</p>
      <p class="token">
        <code>{made.token}</code> <CopyButton text={made.token} />
      </p>
      <p>{t.use}</p>
    </Dialog>
  );
}

function Revoke({ gateway, close, done }: { gateway: Gateway; close: () => void; done: () => void }) {
  const t = texts.value.gateways;
  const revoke = async () => {
    await call("POST", `/api/agents/gateways/${gateway.id}/revoke`);
    say(t.isRevoked(gateway.name));
    done();
  };
  return (
    <Dialog title={t.revoke} close={close}>
      <p>{t.revokeHelp(gateway.name)}</p>
      <footer>
        <ActButton class="primary" act={revoke}>
          {t.revoke}
        </ActButton>
      </footer>
    </Dialog>
  );
}
