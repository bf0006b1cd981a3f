// A customer or one device, chosen for a hold or an erasure.
import { shown } from "../lib/names";
import { useGet } from "../lib/resource";
import { texts } from "../texts";
import { Field, SearchBox } from "../ui/controls";
import { useBusinesses } from "../ui/place_picker";
import { useState } from "preact/hooks";

export interface Subject {
  kind: "business" | "device";
  id: string;
  name: string;
}

export const NO_SUBJECT: Subject = { kind: "business", id: "", name: "" };

interface Props {
  label: string;
  value: Subject;
  change: (subject: Subject) => void;
}

export function SubjectChoice(props: Props) {
  const t = texts.value;
  return (
    <>
      <Field label={t.retention.kind}>
        {(id) => (
          <select id={id} value={props.value.kind} onChange={(event) => props.change({ ...NO_SUBJECT, kind: event.currentTarget.value as Subject["kind"] })}>
            <option value="business">{t.places.business}</option>
            <option value="device">{t.retention.oneDevice}</option>
          </select>
        )}
      </Field>
      {props.value.kind === "business" ? <BusinessChoice {...props} /> : <DeviceChoice {...props} />}
    </>
  );
}

function BusinessChoice(props: Props) {
  const found = useBusinesses().data?.businesses ?? [];
  return <Choice {...props} options={found.map((one) => ({ id: one.id, name: one.business_name }))} />;
}

interface Found {
  agents: Array<{ id: string; device_name: string; business: { business_name: string } }>;
}

function DeviceChoice(props: Props) {
  const [search, setSearch] = useState("");
  const found = useGet<Found>(search ? "/api/agents" : null, { search, limit: 20 });
  return (
    <>
      <SearchBox label={texts.value.top.search} value={search} change={setSearch} />
      <Choice {...props} options={(found.data?.agents ?? []).map((one) => ({ id: one.id, name: one.device_name, of: one.business.business_name }))} />
    </>
  );
}

function Choice({ label, value, change, options }: Props & { options: Array<{ id: string; name: string; of?: string }> }) {
  const choose = (id: string) => change({ ...value, id, name: options.find((one) => one.id === id)?.name ?? "" });
  return (
    <Field label={label}>
      {(id) => (
        <select id={id} value={value.id} onChange={(event) => choose(event.currentTarget.value)}>
          <option value="">{texts.value.places.choose}</option>
          {options.map((one) => (
            <option key={one.id} value={one.id}>
              {shown(one.of ? `${one.name} (${one.of})` : one.name)}
            </option>
          ))}
        </select>
      )}
    </Field>
  );
}
