// A business, and perhaps one of its sites.
import { useGet, ONCE } from "../lib/resource";
import type { BusinessRow, SiteRow } from "../api/pending";
import { shown } from "../lib/names";
import { texts } from "../texts";
import { Field } from "./controls";

export interface PlaceChoice {
  business_id: string | null;
  service_location_id: string | null;
  agent_device_id: string | null;
}

export function useBusinesses() {
  return useGet<{ businesses: BusinessRow[] }>("/api/businesses", { limit: 1000 }, ONCE);
}

export function PlacePicker({ value, change, all }: { value: PlaceChoice; change: (value: PlaceChoice) => void; all?: string }) {
  const t = texts.value.places;
  const businesses = useBusinesses();
  const sites = useGet<{ locations: SiteRow[] }>(value.business_id && `/api/businesses/${value.business_id}/locations`, {}, ONCE);
  return (
    <>
      <Field label={t.business} error={businesses.error?.message}>
        {(id) => (
          <select id={id} value={value.business_id ?? ""} onChange={(event) => change({ business_id: event.currentTarget.value || null, service_location_id: null, agent_device_id: null })}>
            <option value="">{all ?? t.choose}</option>
            {(businesses.data?.businesses ?? []).map((one) => (
              <option key={one.id} value={one.id}>
                {shown(one.business_name)}
              </option>
            ))}
          </select>
        )}
      </Field>
      {value.business_id && (
        <Field label={t.site}>
          {(id) => (
            <select id={id} value={value.service_location_id ?? ""} onChange={(event) => change({ ...value, service_location_id: event.currentTarget.value || null, agent_device_id: null })}>
              <option value="">{t.allSites}</option>
              {(sites.data?.locations ?? []).map((one) => (
                <option key={one.id} value={one.id}>
                  {shown(one.location_name ?? one.id)}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
    </>
  );
}
