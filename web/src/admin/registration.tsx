// Registration: a token for a new device, how it goes, and the tokens that are open.
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { NewToken, TokenRow } from "../api/pending";
import { param } from "../lib/url";
import { usePages } from "../lib/pages";
import { texts } from "../texts";
import { ActButton, Field, Tabs, useDraft, When } from "../ui/controls";
import { PagedTable, type Head } from "../ui/list";
import { Name } from "../ui/name";
import { PlacePicker, type PlaceChoice } from "../ui/place_picker";
import { Empty } from "../ui/states";
import { say } from "../ui/toasts";
import { TokenResult } from "./token";

interface Form extends PlaceChoice {
  name: string;
  hours: number;
  interval: number;
}

const EMPTY: Form = { business_id: null, service_location_id: null, agent_device_id: null, name: "", hours: 24, interval: 300 };
const STATES = ["open", "spent", "expired", "revoked"] as const;

export function RegistrationPage() {
  const t = texts.value.registration;
  const [form, setForm, forget] = useDraft<Form>("registration", EMPTY);
  const [made, setMade] = useState<NewToken>();
  const asked = param("state");
  const tab = STATES.includes(asked as "open") ? asked : "open";
  const list = usePages<TokenRow>("/api/agents/registration-tokens", { state: tab, limit: 100 }, "tokens", { every: 10 });
  const make = async () => {
    const body = { business_id: form.business_id, service_location_id: form.service_location_id, device_name: form.name.trim(), expires_in_hours: form.hours, metrics_interval_seconds: form.interval };
    setMade(await call<NewToken>("POST", "/api/agents/registration-tokens", { body }));
    forget();
    list.reload();
  };
  return (
    <main class="page" id="content" tabIndex={-1}>
      <div class="page-head">
        <h1>{texts.value.nav.registration}</h1>
      </div>
      <div class="registration">
        <section class="panel">
          <h2>{made ? t.result : t.newDevice}</h2>
          {made ? (
            <>
              <TokenResult token={made} key={made.id} />
              <footer>
                <button type="button" onClick={() => setMade(undefined)}>
                  {t.another}
                </button>
              </footer>
            </>
          ) : (
            <NewTokenForm form={form} change={setForm} make={make} />
          )}
        </section>
        <section class="panel">
          <h2>{t.tokens}</h2>
          <Tabs name="state" label={t.tokens} chosen={tab} tabs={STATES.map((state) => [state, t.states[state]])} />
          <PagedTable of={list} heads={headsOf(list.reload)} keyOf={(row) => row.id} label={t.tokens} empty={<Empty title={t.noTokens[tab as "open"]} />} />
        </section>
      </div>
    </main>
  );
}

function NewTokenForm({ form, change, make }: { form: Form; change: (form: Form) => void; make: () => Promise<void> }) {
  const t = texts.value.registration;
  return (
    <form class="form-grid" onSubmit={(event) => event.preventDefault()}>
      <PlacePicker value={form} change={(place) => change({ ...form, ...place })} />
      <Field label={t.name}>{(id) => <input id={id} maxLength={255} value={form.name} onInput={(event) => change({ ...form, name: event.currentTarget.value })} />}</Field>
      <Field label={t.hours}>{(id) => <input id={id} type="number" min={1} max={8760} value={form.hours} onInput={(event) => change({ ...form, hours: Number(event.currentTarget.value) || 24 })} />}</Field>
      <Field label={t.interval} help={t.intervalHelp}>
        {(id, help) => <input id={id} aria-describedby={help} type="number" min={1} max={86400} value={form.interval} onInput={(event) => change({ ...form, interval: Number(event.currentTarget.value) || 300 })} />}
      </Field>
      <footer>
        <ActButton class="primary" act={make} disabled={!form.business_id || !form.name.trim()}>
          {t.make}
        </ActButton>
      </footer>
    </form>
  );
}

function headsOf(reload: () => void): Array<Head<TokenRow>> {
  const t = texts.value.registration;
  const revoke = async (row: TokenRow) => {
    await call("POST", `/api/agents/registration-tokens/${row.id}/revoke`);
    say(t.revoked);
    reload();
  };
  return [
    { title: t.name, cell: (row) => (row.agent_id && row.spent_at ? <a href={`/dashboard/agents/${row.agent_id}`}><Name of={row.device_name} /></a> : <Name of={row.device_name} />) },
    { title: t.where, cell: (row) => <Name of={[row.business.business_name, row.service_location?.location_name].filter(Boolean).join(" / ")} /> },
    { title: t.progress, cell: (row) => progressOf(row) },
    { title: t.madeAt, cell: (row) => <><When time={row.created_at} /> <Name class="faint" of={row.created_by_name} /></> },
    { title: t.until, cell: (row) => <When time={row.expires_at} at /> },
    { title: texts.value.actions, cell: (row) => (row.state === "open" ? <ActButton class="small" act={() => revoke(row)}>{t.revoke}</ActButton> : "") },
  ];
}

function progressOf(row: TokenRow): string {
  const t = texts.value.registration;
  if (row.first_sample_at) return t.steps.sample;
  if (row.first_heartbeat_at) return t.steps.heartbeat;
  if (row.spent_at) return t.steps.spent;
  return t.states[row.state];
}
