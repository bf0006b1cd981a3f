// Keys in the device list: j and k move, x selects, o opens.
import { useEffect, useRef, useState } from "preact/hooks";
import { go } from "../lib/url";
import { isTyping } from "../shell/shortcuts";
import { deviceHref } from "./row";
import { select, selected } from "./selection";
import type { Device } from "./store";

/** Return the index of the row that the keys are on; −1 before any was pressed. */
export function useListKeys(rows: Device[], canSelect: boolean): number {
  const [active, setActive] = useState(-1);
  const state = useRef({ rows, active, canSelect });
  state.current = { rows, active, canSelect };
  useEffect(() => {
    const press = (event: KeyboardEvent) => {
      if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
      const { rows: list, active: at, canSelect: mayselect } = state.current;
      const device = list[at];
      if (event.key === "j") setActive(Math.min(list.length - 1, at + 1));
      else if (event.key === "k") setActive(Math.max(0, at - 1));
      else if (event.key === "x" && device && mayselect) select(device.id, !selected.peek().has(device.id));
      else if (event.key === "o" && device) go(deviceHref(device.id));
      else return;
      event.preventDefault();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  return active >= rows.length ? -1 : active;
}
