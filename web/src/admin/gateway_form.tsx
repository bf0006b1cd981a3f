// A new gateway: for which customer, and which hosts become devices by themselves.
import { call } from "../api/call";
import type { MadeGateway, NewGateway } from "../api/schema";
import { texts } from "../texts";
import { ActButton, Field, useDraft } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { PlacePicker, type PlaceChoice } from "../ui/place_picker";

interface Form extends PlaceChoice {
  name: string;
  enrolment: "confirm" | "automatic";
  pattern: string;
  hosts: number;
  interval: number;
  reads: boolean;
}

const EMPTY: Form = { business_id: null, service_location_id: null, agent_device_id: null, name: "", enrolment: "confirm", pattern: "*", hosts: 100, interval: 60, reads: false };

export function GatewayForm({ close, done }: { close: () => void; done: (made: MadeGateway) => void }) {
  const t = texts.value.gateways;
  const [form, setForm, forget] = useDraft<Form>("gateway", EMPTY);
  const set = (patch: Partial<Form>) => setForm({ ...form, ...patch });
  const make = async () => {
    const body: NewGateway = {
      business_id: form.business_id ?? "",
      service_location_id: form.service_location_id,
      name: form.name.trim(),
      enrolment: form.enrolment,
      host_pattern: form.pattern.trim() || "*",
      max_hosts: form.hosts,
      metrics_interval_seconds: form.interval,
      may_read: form.reads,
    };
    const made = await call<MadeGateway>("POST", "/api/agents/gateways", { body });
    forget();
    done(made);
  };
  return (
    <Dialog title={t.make} close={close}>
      <PlacePicker value={form} change={set} />
      <Field label={t.name}>{(id) => <input id={id} maxLength={255} value={form.name} onInput={(event) => set({ name: event.currentTarget.value })} />}</Field>
      <Field label={t.enrolment}>
        {(id) => (
          <select id={id} value={form.enrolment} onChange={(event) => set({ enrolment: event.currentTarget.value as Form["enrolment"] })}>
            <option value="confirm">{t.confirmEach}</option>
            <option value="automatic">{t.byPattern}</option>
          </select>
        )}
      </Field>
      {form.enrolment === "automatic" && (
        <Field label={t.pattern} help={t.patternHelp}>
          {(id, help) => <input id={id} aria-describedby={help} value={form.pattern} onInput={(event) => set({ pattern: event.currentTarget.value })} />}
        </Field>
      )}
      <Field label={t.maxHosts}>{(id) => <input id={id} type="number" min={1} max={5000} value={form.hosts} onInput={(event) => set({ hosts: Number(event.currentTarget.value) || 100 })} />}</Field>
      <Field label={t.interval}>{(id) => <input id={id} type="number" min={1} max={86400} value={form.interval} onInput={(event) => set({ interval: Number(event.currentTarget.value) || 60 })} />}</Field>
      <label class="check">
        <input type="checkbox" checked={form.reads} onChange={(event) => set({ reads: event.currentTarget.checked })} />
        <span>{t.mayRead}</span>
      </label>
      <footer>
        <ActButton class="primary" act={make} disabled={!form.business_id || !form.name.trim()}>
          {t.make}
        </ActButton>
      </footer>
    </Dialog>
  );
}
