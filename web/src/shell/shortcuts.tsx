// Keys that work on every page: / searches, g and a letter goes to a page, ? lists them.
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { go } from "../lib/url";
import { texts } from "../texts";
import { Dialog } from "../ui/dialog";

const PLACES: Record<string, string> = {
  o: "/dashboard",
  d: "/dashboard/agents",
  a: "/dashboard/agents/alerts",
  c: "/dashboard/commands",
  m: "/dashboard/maintenance",
};

const isOpen = signal(false);
let goAt = 0;

/** Whether a key is for a field or a dialog rather than for the page. */
export function isTyping(event: KeyboardEvent): boolean {
  const target = event.target as HTMLElement;
  if (document.querySelector("dialog[open]")) return true;
  return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) && !(target instanceof HTMLInputElement && target.type === "checkbox");
}

function press(event: KeyboardEvent): void {
  if (isTyping(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") document.querySelector<HTMLInputElement>(".topbar input[type=search]")?.focus();
  else if (event.key === "?") isOpen.value = true;
  else if (event.key === "g") {
    goAt = Date.now();
    return;
  } else if (Date.now() - goAt < 1500 && PLACES[event.key]) go(PLACES[event.key]!);
  else return;
  goAt = 0;
  event.preventDefault();
}

export function Shortcuts() {
  // A layout effect: the keys work as soon as the page shows.
  useLayoutEffect(() => {
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
  if (!isOpen.value) return null;
  const t = texts.value.keys;
  return (
    <Dialog title={t.title} close={() => (isOpen.value = false)}>
      <dl class="keys">
        {Object.entries(t.list).map(([keys, meaning]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{meaning}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
