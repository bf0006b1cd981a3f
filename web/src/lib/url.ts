// The router: one signal that is the URL. Every page's state is in it, so that a link, Back and reload give the same page.
import { computed, signal } from "@preact/signals";

export interface Place {
  path: string;
  query: URLSearchParams;
}

export type Patch = Record<string, string | null | undefined>;

function read(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

export const place = signal<Place>(read());
export const path = computed(() => place.value.path);

addEventListener("popstate", () => {
  place.value = read();
});

/** Go to an address of these pages; `replace` leaves no step for Back. */
export function go(href: string, replace = false): void {
  if (href === location.pathname + location.search) return;
  history[replace ? "replaceState" : "pushState"](null, "", href);
  const samePath = location.pathname === place.peek().path;
  place.value = read();
  if (!samePath) scrollTo(0, 0);
}

/** Return a parameter of the URL, "" when it is absent; a component that reads it follows it. */
export function param(name: string): string {
  return place.value.query.get(name) ?? "";
}

/** Return the address of this page with some parameters changed; null removes one. */
export function withParams(patch: Patch, base = place.value): string {
  const query = new URLSearchParams(base.query);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null || value === undefined || value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString().replaceAll("%2C", ",").replaceAll("%3A", ":");
  return base.path + (text ? `?${text}` : "");
}

/** Change parameters of this page: `push` makes a step for Back, `replace` none. */
export function setParams(patch: Patch, how: "push" | "replace" = "replace"): void {
  go(withParams(patch, place.peek()), how === "replace");
}

/** Follow links within these pages without loading them anew. */
export function followLinks(event: MouseEvent): void {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element | null)?.closest?.("a[href]");
  if (!(link instanceof HTMLAnchorElement) || link.target || link.hasAttribute("download")) return;
  if (link.origin !== location.origin || !/^\/(dashboard|admin|sign-in)(\/|$)/.test(link.pathname)) return;
  event.preventDefault();
  go(link.pathname + link.search);
}

/** Return the parts of a path by a pattern such as `/dashboard/agents/:id`; null when it doesn't fit. */
export function matchPath(pattern: string, given: string): Record<string, string> | null {
  const wanted = pattern.split("/");
  const parts = given.replace(/\/+$/, "").split("/");
  if (wanted.length !== parts.length) return null;
  const found: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = parts[index] ?? "";
    if (part.startsWith(":")) found[part.slice(1)] = decodeURIComponent(value);
    else if (part !== value) return null;
  }
  return found;
}
