// What employees change of a device: name, site, type, interval, switches; and its life: see agent management.
import { useGet, ONCE } from "../lib/resource";
import { useState } from "preact/hooks";
import { call } from "../api/call";
import type { SiteRow } from "../api/pending";
import type { AgentDetail } from "../api/schema";
import { LifeActions } from "../admin/life";
import { shown } from "../lib/names";
import { texts } from "../texts";
import { ActButton, Field } from "../ui/controls";
import { say } from "../ui/toasts";
import { typeName } from "../fleet/columns";

const TYPES = ["desktop", "server", "laptop", "vm"] as const;
const SWITCHES = ["monitoring_enabled", "alerts_enabled", "auto_remediation_enabled"] as const;

export function SettingsTab({ device, reload }: { device: AgentDetail; reload: () => void }) {
  const t = texts.value.settings;
  const [change, setChange] = useState<Partial<AgentDetail> & { service_location_id?: string | null }>({});
  const sites = useGet<{ locations: SiteRow[] }>(`/api/businesses/${device.business.id}/locations`, {}, ONCE);
  const value = { ...device, service_location_id: device.service_location?.id ?? null, ...change };
  const isChanged = Object.keys(change).length > 0;
  const save = async () => {
    await call("PATCH", `/api/agents/${device.id}`, { body: change });
    setChange({});
    say(t.saved);
    reload();
  };
  return (
    <form class="form-grid" onSubmit={(event) => event.preventDefault()}>
      <Field label={t.name}>{(id) => <input id={id} maxLength={255} value={value.device_name} onInput={(event) => setChange({ ...change, device_name: event.currentTarget.value })} />}</Field>
      <Field label={t.site}>
        {(id) => (
          <select id={id} value={value.service_location_id ?? ""} onChange={(event) => setChange({ ...change, service_location_id: event.currentTarget.value || null })}>
            <option value="">{t.noSite}</option>
            {(sites.data?.locations ?? []).map((site) => (
              <option key={site.id} value={site.id}>
                {shown(site.location_name ?? site.id)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t.type}>
        {(id) => (
          <select id={id} value={value.device_type ?? ""} onChange={(event) => setChange({ ...change, device_type: event.currentTarget.value })}>
            {!device.device_type && <option value="">–</option>}
            {TYPES.map((type) => (
              <option key={type} value={type}>
                {typeName(type)}
              </option>
            ))}
          </select>
        )}
      </Field>
      <Field label={t.interval} help={t.intervalHelp}>
        {(id, help) => <input id={id} aria-describedby={help} type="number" min={1} max={86400} value={value.metrics_interval_seconds} onInput={(event) => setChange({ ...change, metrics_interval_seconds: Number(event.currentTarget.value) })} />}
      </Field>
      <fieldset class="switches">
        <legend>{t.switches}</legend>
        {SWITCHES.map((name) => (
          <label class="check" key={name}>
            <input type="checkbox" checked={value[name]} onChange={(event) => setChange({ ...change, [name]: event.currentTarget.checked })} />
            <span>{t.switchNames[name]}</span>
          </label>
        ))}
      </fieldset>
      <footer>
        <ActButton class="primary" act={save} disabled={!isChanged || !value.device_name.trim()}>
          {texts.value.save}
        </ActButton>
        {isChanged && (
          <button type="button" onClick={() => setChange({})}>
            {texts.value.cancel}
          </button>
        )}
      </footer>
      <section class="life">
        <h3>{t.life}</h3>
        <LifeActions device={device} done={reload} />
      </section>
    </form>
  );
}
