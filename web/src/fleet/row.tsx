// One device in the list: a row of cells, or on a narrow screen a card of two lines.
import { isStale } from "../lib/clock";
import { percent } from "../lib/format";
import { texts } from "../texts";
import { Name } from "../ui/name";
import { Mark } from "../ui/status";
import { When } from "../ui/controls";
import type { Column } from "./columns";
import { selected, select } from "./selection";
import type { Device } from "./store";

export function deviceHref(id: string): string {
  return `/dashboard/agents/${id}`;
}

function NameCell({ device }: { device: Device }) {
  const { status } = device.live.value;
  return (
    <span class="name-cell">
      <Mark kind={status} stale={isStale.value} label={texts.value.statuses[status]} />
      <a href={deviceHref(device.id)}>
        <Name of={device.name} />
      </a>
      {device.isClone && <span class="tag">{texts.value.tags.clone}</span>}
      {!device.isActive && <span class="tag">{device.isDecommissioned ? texts.value.tags.decommissioned : texts.value.tags.inactive}</span>}
    </span>
  );
}

export function SelectBox({ device }: { device: Device }) {
  return (
    <input
      type="checkbox"
      aria-label={texts.value.select(device.name)}
      checked={selected.value.has(device.id)}
      onChange={(event) => select(device.id, event.currentTarget.checked)}
    />
  );
}

export function Row({ device, columns, withBox, isActive }: { device: Device; columns: Column[]; withBox: boolean; isActive: boolean }) {
  const isSelected = selected.value.has(device.id);
  return (
    <div class={`list-row${isActive ? " active" : ""}${isSelected ? " selected" : ""}`} role="presentation">
      {withBox && (
        <span role="cell" class="box">
          <SelectBox device={device} />
        </span>
      )}
      <span role="cell">
        <NameCell device={device} />
      </span>
      {columns.map((column) => (
        <span role="cell" key={column.key} class={`c-${column.key}`}>
          <bdi>{column.cell(device)}</bdi>
        </span>
      ))}
    </div>
  );
}

export function Card({ device, withBox }: { device: Device; withBox: boolean }) {
  const { cpu, seenAt, alerts, worst } = device.live.value;
  return (
    <div class={`list-card${selected.value.has(device.id) ? " selected" : ""}`} role="cell">
      {withBox && <SelectBox device={device} />}
      <div class="two-lines">
        <p>
          <NameCell device={device} />
          <span class="end">
            {alerts > 0 && (
              <span class={`word ${worst ?? "info"}`}>
                <Mark kind={worst ?? "info"} label={texts.value.severities[worst ?? "info"]} /> {alerts}
              </span>
            )}{" "}
            {cpu !== null && <span>{percent(cpu)} CPU</span>}
          </span>
        </p>
        <p class="faint">
          <span class="cut">
            <Name of={[device.business, device.site].filter(Boolean).join(" / ")} />
          </span>
          <span class="end">
            <When time={seenAt} />
          </span>
        </p>
      </div>
    </div>
  );
}
