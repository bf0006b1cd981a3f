// The range of all charts: presets, a step back and forward, from–to, comparison, and the layers of the charts.
import { useState } from "preact/hooks";
import { serverNow } from "../lib/clock";
import { shortTime, zone } from "../lib/format";
import { isNarrow } from "../lib/settings";
import { iso, PRESETS, presetParams, steppedParams, type TimeRange } from "../lib/range";
import { param, setParams } from "../lib/url";
import { fromLocal, toLocal } from "../lib/zones";
import { texts } from "../texts";
import { Menu } from "../ui/dialog";
import { Icon } from "../ui/icons";

export const COMPARE: Record<string, number> = { "1d": 86_400, "1w": 604_800, "4w": 2_419_200 };
export const LAYERS = ["alerts", "windows", "commands", "software"] as const;

/** Which marks are hidden, by the URL's `hide`. */
export function hiddenLayers(): Set<string> {
  return new Set(param("hide").split(",").filter(Boolean));
}

export function RangeBar({ range }: { range: TimeRange }) {
  const t = texts.value.range;
  return (
    <div class="range-bar no-print" role="group" aria-label={t.label}>
      {isNarrow.value ? <PresetSelect range={range} /> : <Presets range={range} />}
      <span class="buttons">
        <button type="button" class="icon-only" aria-label={t.before} title={t.before} onClick={() => setParams(steppedParams(range, -1), "push")}>
          <Icon name="back" />
        </button>
        <button type="button" class="icon-only" aria-label={t.after} title={t.after} disabled={range.isLive} onClick={() => setParams(steppedParams(range, 1), "push")}>
          <Icon name="next" />
        </button>
      </span>
      <Custom range={range} />
      {!range.isLive && (
        <button type="button" class="small" onClick={() => setParams({ from: null, to: null }, "push")}>
          {t.jumpToNow}
        </button>
      )}
      <label class="inline">
        <span class="wide-only">{t.compare}</span>
        <select aria-label={t.compare} value={param("cmp")} onChange={(event) => setParams({ cmp: event.currentTarget.value }, "push")}>
          <option value="">{t.compareNone}</option>
          {Object.keys(COMPARE).map((key) => (
            <option key={key} value={key}>
              {t.compareWith[key as keyof typeof t.compareWith]}
            </option>
          ))}
        </select>
      </label>
      <Layers />
      {range.isFaulty && <span class="word warning">{t.faulty}</span>}
      <span class="faint range-words">
        {shortTime(range.from)} – {range.isLive ? t.now : shortTime(range.to)}, {zone.value}
      </span>
    </div>
  );
}

function Presets({ range }: { range: TimeRange }) {
  return (
    <span class="segments">
      {PRESETS.map((preset) => (
        <button key={preset} type="button" aria-pressed={range.preset === preset} onClick={() => setParams(presetParams(preset), "push")}>
          {texts.value.range.presets[preset]}
        </button>
      ))}
    </span>
  );
}

function PresetSelect({ range }: { range: TimeRange }) {
  const t = texts.value.range;
  return (
    <select aria-label={t.label} value={range.preset} onChange={(event) => event.currentTarget.value && setParams(presetParams(event.currentTarget.value), "push")}>
      {!range.preset && <option value="">{t.custom}</option>}
      {PRESETS.map((preset) => (
        <option key={preset} value={preset}>
          {t.presetsLong[preset]}
        </option>
      ))}
    </select>
  );
}

function Custom({ range }: { range: TimeRange }) {
  const t = texts.value.range;
  return (
    <Menu label={t.custom} class={range.preset ? "" : "on"}>
      {(close) => <CustomForm range={range} close={close} />}
    </Menu>
  );
}

function CustomForm({ range, close }: { range: TimeRange; close: () => void }) {
  const t = texts.value.range;
  const [from, setFrom] = useState(toLocal(range.from, zone.value));
  const [to, setTo] = useState(toLocal(range.to, zone.value));
  const start = fromLocal(from, zone.value);
  const end = fromLocal(to, zone.value);
  const isGood = end > start && start < serverNow();
  return (
    <form
      class="menu-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isGood) return;
        setParams({ from: iso(start), to: end >= serverNow() ? null : iso(end) }, "push");
        close();
      }}
    >
      <label>
        {t.from}
        <input type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      </label>
      <label>
        {t.to}
        <input type="datetime-local" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
      </label>
      <p class="help">{t.inZone(zone.value)}</p>
      <button type="submit" class="primary" disabled={!isGood}>
        {t.show}
      </button>
    </form>
  );
}

function Layers() {
  const t = texts.value.range;
  const hidden = hiddenLayers();
  const toggle = (name: string, on: boolean) => setParams({ hide: LAYERS.filter((one) => (one === name ? !on : hidden.has(one))).join(",") });
  return (
    <Menu label={t.layers} icon="filter">
      {() => (
        <fieldset class="menu-form">
          <legend class="unseen">{t.layers}</legend>
          {LAYERS.map((name) => (
            <label class="check" key={name}>
              <input type="checkbox" checked={!hidden.has(name)} onChange={(event) => toggle(name, event.currentTarget.checked)} />
              <span>{t.layerNames[name]}</span>
            </label>
          ))}
        </fieldset>
      )}
    </Menu>
  );
}
