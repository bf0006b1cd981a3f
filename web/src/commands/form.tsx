// What a command's form asks: type from the catalogue, its parameters, time-out, expiry, approval.
import { useGet, ONCE } from "../lib/resource";
import type { CommandInfo } from "../api/pending";
import { texts } from "../texts";
import { Field } from "../ui/controls";

export interface Order {
  command_type: string;
  params: Record<string, string>;
  timeout_seconds: number;
  expires_in_hours: number;
  approval_required: boolean;
}

export const NEW_ORDER: Order = { command_type: "collect_now", params: {}, timeout_seconds: 300, expires_in_hours: 24, approval_required: false };

interface Catalogue {
  commands: CommandInfo[];
  free_types: boolean;
}

export function useCatalogue(): Catalogue | undefined {
  return useGet<Catalogue>("/api/agents/commands/catalog", {}, ONCE).data;
}

/** Return the order as the API takes it; fields left empty are left out. */
export function bodyOf(order: Order, info: CommandInfo | undefined): Record<string, unknown> {
  const params: Record<string, unknown> = {};
  for (const { name, type } of info?.params ?? []) {
    const text = order.params[name]?.trim();
    if (text) params[name] = type === "integer" ? Number(text) : type === "boolean" ? text === "true" : text;
  }
  return { ...order, params };
}

/** Whether every parameter that is required is there. */
export function isWhole(order: Order, info: CommandInfo | undefined): boolean {
  return Boolean(order.command_type) && (info?.params ?? []).every((one) => !one.required || Boolean(order.params[one.name]?.trim()));
}

export function OrderForm({ order, change, catalogue }: { order: Order; change: (order: Order) => void; catalogue: Catalogue | undefined }) {
  const t = texts.value.commands;
  const info = catalogue?.commands.find((one) => one.command_type === order.command_type);
  const param = (name: string, value: string) => change({ ...order, params: { ...order.params, [name]: value } });
  return (
    <div class="form-grid">
      <Field label={t.type} help={info?.description}>
        {(id, help) => (
          <select id={id} aria-describedby={help} value={order.command_type} onChange={(event) => change({ ...order, command_type: event.currentTarget.value, params: {} })}>
            {(catalogue?.commands ?? [{ command_type: order.command_type } as CommandInfo]).map((one) => (
              <option key={one.command_type} value={one.command_type}>
                {t.types[one.command_type] ?? one.command_type}
              </option>
            ))}
          </select>
        )}
      </Field>
      {(info?.params ?? []).map((one) => (
        <Field key={one.name} label={one.required ? `${one.name} *` : one.name} help={one.description}>
          {(id, help) =>
            one.type === "boolean" ? (
              <select id={id} aria-describedby={help} value={order.params[one.name] ?? ""} onChange={(event) => param(one.name, event.currentTarget.value)}>
                <option value="">–</option>
                <option value="true">{texts.value.yes}</option>
                <option value="false">{texts.value.no}</option>
              </select>
            ) : one.name === "script" ? (
              <textarea id={id} aria-describedby={help} rows={5} spellcheck={false} value={order.params[one.name] ?? ""} onInput={(event) => param(one.name, event.currentTarget.value)} />
            ) : (
              <input id={id} aria-describedby={help} inputMode={one.type === "integer" ? "numeric" : "text"} value={order.params[one.name] ?? ""} onInput={(event) => param(one.name, event.currentTarget.value)} />
            )
          }
        </Field>
      ))}
      <Field label={t.timeout}>{(id) => <input id={id} type="number" min={1} max={86400} value={order.timeout_seconds} onInput={(event) => change({ ...order, timeout_seconds: Number(event.currentTarget.value) || 300 })} />}</Field>
      <Field label={t.waits}>{(id) => <input id={id} type="number" min={1} max={720} value={order.expires_in_hours} onInput={(event) => change({ ...order, expires_in_hours: Number(event.currentTarget.value) || 24 })} />}</Field>
      <label class="check">
        <input type="checkbox" disabled={info?.approval_required} checked={order.approval_required || info?.approval_required === true} onChange={(event) => change({ ...order, approval_required: event.currentTarget.checked })} />
        <span>{t.needsApproval}</span>
      </label>
    </div>
  );
}
