// The filters above the device list: one menu each, with the counts of what there is.
import { useState } from "preact/hooks";
import { isEmployee } from "../api/session";
import { number } from "../lib/format";
import { param, place, setParams } from "../lib/url";
import { texts, type Texts } from "../texts";
import { Menu } from "../ui/dialog";
import { osName, typeName } from "./columns";
import { countFilters, FILTER_NAMES } from "./filter";
import { devices, membership, type Device } from "./store";

type Option = [key: string, name: string, count: number];
const STATUS_ORDER = ["error", "offline", "warning", "online", "disabled"];
const SEARCH_FROM = 12; // options from which on a menu has a search box

function facet(keyOf: (device: Device) => [string, string]): Option[] {
  const found = new Map<string, Option>();
  for (const device of devices.values()) {
    const [key, name] = keyOf(device);
    if (!key) continue;
    const option = found.get(key);
    if (option) option[2]++;
    else found.set(key, [key, name, 1]);
  }
  return [...found.values()].sort((a, b) => a[1].localeCompare(b[1], undefined, { numeric: true }));
}

function optionsOf(name: string): Option[] {
  membership.value;
  const business = param("business");
  switch (name) {
    case "status":
      return facet((device) => [device.live.peek().status, texts.value.statuses[device.live.peek().status]]).sort((a, b) => STATUS_ORDER.indexOf(a[0]) - STATUS_ORDER.indexOf(b[0]));
    case "business":
      return facet((device) => [device.businessId, device.business]);
    case "site":
      return facet((device) => [!business || business.split(",").includes(device.businessId) ? device.siteId : "", device.site]);
    case "os":
      return facet((device) => [device.os, osName({ os: device.os })]);
    default:
      return facet((device) => [device.type, typeName(device.type)]);
  }
}

function FilterMenu({ name }: { name: "status" | "business" | "site" | "os" | "type" }) {
  const chosen = param(name).split(",").filter(Boolean);
  const title = texts.value.filters[name];
  return (
    <Menu class={chosen.length ? "filter on" : "filter"} label={chosen.length ? `${title} · ${number(chosen.length)}` : title}>
      {() => <Options name={name} chosen={chosen} />}
    </Menu>
  );
}

function Options({ name, chosen }: { name: string; chosen: string[] }) {
  const [search, setSearch] = useState("");
  const options = optionsOf(name);
  const fits = options.filter((option) => option[1].toLowerCase().includes(search.toLowerCase()));
  const change = (key: string, on: boolean) => {
    const next = on ? [...chosen, key] : chosen.filter((one) => one !== key);
    setParams({ [name]: next.join(",") }, "push");
  };
  return (
    <fieldset class="menu-form">
      <legend class="unseen">{texts.value.filters[name as keyof Texts["filters"]] as string}</legend>
      {options.length > SEARCH_FROM && <input type="search" aria-label={texts.value.search} placeholder={texts.value.search} onInput={(event) => setSearch(event.currentTarget.value)} />}
      <div class="options">
        {fits.slice(0, 300).map(([key, label, count]) => (
          <label class="check" key={key}>
            <input type="checkbox" checked={chosen.includes(key)} onChange={(event) => change(key, event.currentTarget.checked)} />
            <span>{label}</span>
            <span class="faint">{number(count)}</span>
          </label>
        ))}
        {fits.length === 0 && <p class="faint">{texts.value.nothing}</p>}
      </div>
    </fieldset>
  );
}

const OVER = ["cpu:80", "memory:80", "disk:80", "disk:90"];

function MoreFilter() {
  const t = texts.value.filters;
  return (
    <Menu class={param("alerts") || param("over") || param("silent") ? "filter on" : "filter"} label={t.more}>
      {() => (
        <fieldset class="menu-form">
          <legend class="unseen">{t.more}</legend>
          <label class="check">
            <input type="checkbox" checked={param("alerts") === "open"} onChange={(event) => setParams({ alerts: event.currentTarget.checked ? "open" : null }, "push")} />
            <span>{t.alerts}</span>
          </label>
          <label class="check">
            <input type="checkbox" checked={param("silent") === "1"} onChange={(event) => setParams({ silent: event.currentTarget.checked ? "1" : null }, "push")} />
            <span>{t.silent}</span>
          </label>
          {OVER.map((value) => (
            <label class="check" key={value}>
              <input type="checkbox" checked={param("over") === value} onChange={(event) => setParams({ over: event.currentTarget.checked ? value : null }, "push")} />
              <span>{t.over(texts.value.columns[value.split(":")[0] as "cpu"], value.split(":")[1] ?? "")}</span>
            </label>
          ))}
        </fieldset>
      )}
    </Menu>
  );
}

export function clearFilters(): void {
  setParams(Object.fromEntries(["q", ...FILTER_NAMES].map((name) => [name, null])), "push");
}

export function FilterBar() {
  const count = countFilters(place.value.query);
  const t = texts.value.filters;
  return (
    <div class="filters" role="group" aria-label={t.label}>
      <FilterMenu name="status" />
      {isEmployee.value && <FilterMenu name="business" />}
      <FilterMenu name="site" />
      <FilterMenu name="os" />
      <FilterMenu name="type" />
      <MoreFilter />
      {(count > 0 || param("q")) && (
        <button type="button" class="plain" onClick={clearFilters}>
          {t.clear}
        </button>
      )}
    </div>
  );
}
