// The bar of selected devices: their number, the number shown, and the possible actions.
import { useState } from "preact/hooks";
import { may } from "../api/session";
import { BulkCommand } from "../later/parts";
import { number } from "../lib/format";
import { texts } from "../texts";
import { shown } from "./order";
import { clearSelection, selected } from "./selection";
import { devices, type Device } from "./store";

export function SelectionBar() {
  const [targets, setTargets] = useState<Device[] | null>(null);
  const t = texts.value.fleet;
  const ids = selected.value;
  if (!ids.size && !targets) return null;
  const hidden = ids.size - shown.value.filter((device) => ids.has(device.id)).length;
  // Frozen here: what the list does meanwhile doesn't change who gets the command.
  const freeze = () => setTargets([...ids].flatMap((id) => devices.get(id) ?? []));
  return (
    <>
      {ids.size > 0 && (
        <div class="selection-bar" role="region" aria-label={t.selection}>
          <p>
            <strong>{t.selected(number(ids.size), number(shown.value.length))}</strong>
            {hidden > 0 && <span> {t.hidden(number(hidden))}</span>}
          </p>
          {may("order_commands") && (
            <button type="button" class="primary" onClick={freeze}>
              {t.command}
            </button>
          )}
          <button type="button" onClick={clearSelection}>
            {t.clearSelection}
          </button>
        </div>
      )}
      {targets && <BulkCommand targets={targets} close={() => setTargets(null)} />}
    </>
  );
}
