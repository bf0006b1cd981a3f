// Several disks and network interfaces of a device, as its newest sample has them; only where it sends such data.
import type { AgentDetail } from "../api/schema";
import { bytes, number, percent } from "../lib/format";
import { texts } from "../texts";
import { When } from "../ui/controls";
import { Table } from "../ui/list";

type Part = Record<string, unknown>;
const KINDS = ["disks", "network_interfaces", "interfaces", "sensors"] as const;

function partsOf(device: AgentDetail, kind: string): Part[] {
  const value = device.current_metrics[kind];
  return Array.isArray(value) ? value.filter((one): one is Part => typeof one === "object" && one !== null) : [];
}

/** Whether the device sends such data. */
export function hasParts(device: AgentDetail): boolean {
  return KINDS.some((kind) => partsOf(device, kind).length > 0);
}

function cell(name: string, value: unknown): string {
  if (typeof value !== "number") return value === null || value === undefined ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value);
  if (name.includes("percent")) return percent(value, 1);
  if (name.endsWith("_gb")) return bytes(value * 1e9);
  if (name.includes("bytes")) return bytes(value);
  return number(value, 1);
}

export function DisksTab({ device }: { device: AgentDetail }) {
  const t = texts.value.parts;
  const at = device.current_metrics.collected_at;
  return (
    <>
      <p class="faint">
        {t.asOf} <When time={typeof at === "string" ? at : null} />
      </p>
      {KINDS.map((kind) => {
        const rows = partsOf(device, kind);
        if (!rows.length) return null;
        const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
        return (
          <section key={kind}>
            <h3>{t.titles[kind]}</h3>
            <Table label={t.titles[kind]} rows={rows} keyOf={(row) => rows.indexOf(row)} heads={names.map((name) => ({ title: name.replaceAll("_", " "), cell: (row: Part) => <bdi>{cell(name, row[name])}</bdi> }))} />
          </section>
        );
      })}
    </>
  );
}
