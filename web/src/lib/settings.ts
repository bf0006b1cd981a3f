// What a person chose on this browser: theme, language, columns. Nothing secret; without storage it lasts for the tab.
import { effect, signal, type Signal } from "@preact/signals";

const PREFIX = "rts.";

function read(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

function write(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(PREFIX + name);
    else localStorage.setItem(PREFIX + name, value);
  } catch {
    // Storage is full or forbidden: the choice lasts for this tab.
  }
}

/** A choice that is kept; "" is "nothing chosen". */
export function kept(name: string): Signal<string> {
  const choice = signal(read(name) ?? "");
  let first = true;
  effect(() => {
    const value = choice.value;
    if (!first) write(name, value || null);
    first = false;
  });
  return choice;
}

export const theme = kept("theme"); // "", "light", "dark"
export const language = kept("language"); // "", "en", "es"

effect(() => {
  if (theme.value) document.documentElement.dataset.theme = theme.value;
  else delete document.documentElement.dataset.theme;
});

const systemIsDark = signal(matchMedia("(prefers-color-scheme: dark)").matches);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", (event) => {
  systemIsDark.value = event.matches;
});

/** Whether the dark scheme shows; what draws on a canvas follows it. */
export function isDark(): boolean {
  return theme.value ? theme.value === "dark" : systemIsDark.value;
}

/** Whether the window is narrow: one column, cards instead of rows. */
export const isNarrow = signal(matchMedia("(max-width: 719px)").matches);
matchMedia("(max-width: 719px)").addEventListener("change", (event) => {
  isNarrow.value = event.matches;
});
