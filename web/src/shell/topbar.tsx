// The bar above every page: search of a device, zone, language, theme, who is signed in.
import { isEmployee, me, signOut } from "../api/session";
import { browserZone, isZone, zone } from "../lib/format";
import { shown } from "../lib/names";
import { isNarrow, language, theme } from "../lib/settings";
import { go, param, path, setParams } from "../lib/url";
import { chosen, LANGUAGE_NAMES, texts } from "../texts";
import { SearchBox, sayFault } from "../ui/controls";
import { Menu } from "../ui/dialog";
import { Icon } from "../ui/icons";
import { LiveDot } from "./live_dot";

export function TopBar() {
  const t = texts.value.top;
  const onList = path.value === "/dashboard/agents";
  return (
    <header class="topbar">
      <SearchBox
        label={t.search}
        hint={isNarrow.value ? texts.value.search : t.search}
        keys="/"
        value={onList ? param("q") : ""}
        change={(text) => (onList ? setParams({ q: text }) : text && go(`/dashboard/agents?q=${encodeURIComponent(text)}`))}
        wait={onList ? 60 : 500}
      />
      <span class="grow" />
      <LiveDot />
      <ZoneMenu />
      <ViewMenu />
      <PersonMenu />
    </header>
  );
}

function ZoneMenu() {
  const t = texts.value.top;
  const ofBrowser = zone.value === browserZone;
  return (
    <Menu align="right" icon="clock" class="zone" label={<span class="wide-only">{zone.value.split("/").at(-1)?.replaceAll("_", " ")}</span>} name={t.zone(zone.value)}>
      {(close) => (
        <div class="menu-form">
          <Choice chosen={ofBrowser} choose={() => (setParams({ tz: null }), close())} label={t.myZone(browserZone)} />
          <Choice chosen={zone.value === "UTC"} choose={() => (setParams({ tz: "utc" }), close())} label="UTC" />
          <label>
            {t.otherZone}
            <select
              value={zone.value}
              onChange={(event) => {
                const name = event.currentTarget.value;
                if (isZone(name)) setParams({ tz: name === browserZone ? null : name });
                close();
              }}
            >
              {Intl.supportedValuesOf("timeZone").map((name) => (
                <option key={name}>{name}</option>
              ))}
            </select>
          </label>
        </div>
      )}
    </Menu>
  );
}

function ViewMenu() {
  const t = texts.value.top;
  return (
    <Menu align="right" icon="theme" label="" name={t.view}>
      {() => (
        <div class="menu-form">
          <p class="group">{t.theme}</p>
          {(["", "light", "dark"] as const).map((name) => (
            <Choice key={name} chosen={theme.value === name} choose={() => (theme.value = name)} label={t.themes[name || "auto"]} />
          ))}
          <p class="group">{t.language}</p>
          {Object.entries(LANGUAGE_NAMES).map(([key, name]) => (
            <Choice key={key} chosen={chosen.value === key} choose={() => (language.value = key)} label={name} lang={key} />
          ))}
        </div>
      )}
    </Menu>
  );
}

function Choice({ chosen: isChosen, choose, label, lang }: { chosen: boolean; choose: () => void; label: string; lang?: string }) {
  return (
    <button type="button" class="choice" aria-pressed={isChosen} lang={lang} onClick={choose}>
      <span class="tick" aria-hidden="true">
        {isChosen ? "✓" : ""}
      </span>
      {label}
    </button>
  );
}

function PersonMenu() {
  const t = texts.value.top;
  const person = me.value;
  if (!person) return null;
  return (
    <Menu align="right" icon="user" class="person" label={<span class="wide-only">{shown(person.name)}</span>} name={t.you(person.name)}>
      {() => (
        <div class="menu-form">
          <p class="who">
            <strong>{shown(person.name)}</strong>
            <br />
            {isEmployee.value ? t.employee : person.business?.business_name}
          </p>
          <button type="button" class="choice" onClick={() => void signOut().catch(sayFault)}>
            <Icon name="back" size={13} /> {t.signOut}
          </button>
        </div>
      )}
    </Menu>
  );
}
