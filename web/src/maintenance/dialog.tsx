// A maintenance window: where, and once or weekly.
import type { MaintenanceWindow } from "../api/schema";
import { useState } from "preact/hooks";
import { call } from "../api/call";
import { serverNow } from "../lib/clock";
import { weekday, zone } from "../lib/format";
import { iso } from "../lib/range";
import { fromLocal, toLocal } from "../lib/zones";
import { texts } from "../texts";
import { ActButton, Field } from "../ui/controls";
import { Dialog } from "../ui/dialog";
import { Name } from "../ui/name";
import { PlacePicker, type PlaceChoice } from "../ui/place_picker";
import { say } from "../ui/toasts";

const HOUR_MS = 3_600_000;
const DAYS = [1, 2, 3, 4, 5, 6, 7];

export function WindowDialog({ first, close }: { first: Partial<MaintenanceWindow>; close: () => void }) {
  const t = texts.value.maintenance;
  const [name, setName] = useState(first.window_name ?? "");
  const [place, setPlace] = useState<PlaceChoice>({ business_id: first.business_id ?? null, service_location_id: first.service_location_id ?? null, agent_device_id: first.agent_device_id ?? null });
  const [isWeekly, setWeekly] = useState(Boolean(first.weekdays));
  const [from, setFrom] = useState(toLocal(first.starts_at ? Date.parse(first.starts_at) : serverNow(), zone.value));
  const [to, setTo] = useState(toLocal(first.ends_at ? Date.parse(first.ends_at) : serverNow() + 2 * HOUR_MS, zone.value));
  const [days, setDays] = useState<number[]>(first.weekdays ?? [6]);
  const [start, setStart] = useState(first.local_start ?? "22:00");
  const [minutes, setMinutes] = useState(first.duration_minutes ?? 240);
  const [timeZone, setTimeZone] = useState(first.time_zone ?? zone.value);
  const hasPlace = Boolean(place.business_id || place.service_location_id || place.agent_device_id);
  const isRight = isWeekly ? days.length > 0 && minutes > 0 : fromLocal(to, zone.value) > fromLocal(from, zone.value);
  const save = async () => {
    const when = isWeekly ? { weekdays: days, local_start: start, duration_minutes: minutes, time_zone: timeZone } : { starts_at: iso(fromLocal(from, zone.value)), ends_at: iso(fromLocal(to, zone.value)) };
    const body = { window_name: name.trim(), ...place, ...when };
    await call(first.id ? "PUT" : "POST", `/api/agents/maintenance-windows${first.id ? `/${first.id}` : ""}`, { body });
    say(t.saved);
    close();
  };
  return (
    <Dialog title={first.id ? t.changeTitle : t.make} close={close}>
      <div class="form-grid">
        <Field label={t.name}>{(id) => <input id={id} maxLength={255} value={name} onInput={(event) => setName(event.currentTarget.value)} />}</Field>
        {first.agent_device_id ? (
          <p>
            {t.oneDevice}: <Name of={first.device_name ?? first.agent_device_id} />
          </p>
        ) : (
          <PlacePicker value={place} change={setPlace} />
        )}
        <div class="segments" role="group" aria-label={t.when}>
          <button type="button" aria-pressed={!isWeekly} onClick={() => setWeekly(false)}>
            {t.once}
          </button>
          <button type="button" aria-pressed={isWeekly} onClick={() => setWeekly(true)}>
            {t.weekly}
          </button>
        </div>
        {isWeekly ? (
          <>
            <fieldset class="days">
              <legend>{t.days}</legend>
              {DAYS.map((day) => (
                <label class="check" key={day}>
                  <input type="checkbox" checked={days.includes(day)} onChange={(event) => setDays(event.currentTarget.checked ? [...days, day].sort() : days.filter((one) => one !== day))} />
                  <span>{weekday(day)}</span>
                </label>
              ))}
            </fieldset>
            <Field label={t.start}>{(id) => <input id={id} type="time" value={start} onInput={(event) => setStart(event.currentTarget.value)} />}</Field>
            <Field label={t.minutes}>{(id) => <input id={id} type="number" min={1} max={10080} value={minutes} onInput={(event) => setMinutes(Number(event.currentTarget.value))} />}</Field>
            <Field label={t.zone}>
              {(id) => (
                <select id={id} value={timeZone} onChange={(event) => setTimeZone(event.currentTarget.value)}>
                  {[...new Set([timeZone, ...Intl.supportedValuesOf("timeZone"), "UTC"])].map((one) => (
                    <option key={one}>{one}</option>
                  ))}
                </select>
              )}
            </Field>
          </>
        ) : (
          <>
            <Field label={t.from} help={zone.value}>
              {(id) => <input id={id} type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />}
            </Field>
            <Field label={t.to}>{(id) => <input id={id} type="datetime-local" value={to} onInput={(event) => setTo(event.currentTarget.value)} />}</Field>
          </>
        )}
      </div>
      <footer>
        <ActButton class="primary" act={save} disabled={!name.trim() || !hasPlace || !isRight}>
          {texts.value.save}
        </ActButton>
      </footer>
    </Dialog>
  );
}
