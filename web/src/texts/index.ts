// The language that shows: what the person chose, else the browser's, else English.
import { computed, effect, signal } from "@preact/signals";
import urls from "virtual:texts";
import { language } from "../lib/settings";
import { shown } from "../lib/names";
import type { Texts } from "./en";

export type { Texts };
export const LANGUAGE_NAMES = { en: "English", es: "Español" } as const;
type Name = keyof typeof LANGUAGE_NAMES;

const isLanguage = (name: string): name is Name => name in LANGUAGE_NAMES;

const wanted = computed<Name>(() => {
  if (isLanguage(language.value)) return language.value;
  return navigator.languages.map((name) => name.slice(0, 2).toLowerCase()).find(isLanguage) ?? "en";
});

/** The language whose texts show. */
export const chosen = signal<Name>("en");

/** All texts of the pages, in the language that shows; there before the first page is drawn. */
export const texts = signal<Texts>({} as Texts);

/** The locale for Intl: the browser's own variety of the language that shows, as en-GB. */
export const locale = computed(() => navigator.languages.find((name) => name.toLowerCase().startsWith(chosen.value)) ?? chosen.value);

type Value = string | number;

/** Put values into a text: `{0}`, or `{0|one|many}` by the value. */
function fill(text: string, values: Value[]): string {
  return text.replace(/\{(\d)(?:\|([^|}]*)\|([^}]*))?\}/g, (_, place: string, one?: string, many?: string) => {
    const value = shown(String(values[Number(place)] ?? ""));
    return one === undefined ? value : value === "1" ? one : (many ?? "");
  });
}

type Tree = { [key: string]: Tree | string | string[] };

function usable(tree: Tree): unknown {
  return Object.fromEntries(
    Object.entries(tree).map(([key, text]) => {
      if (typeof text === "string") return [key, text.includes("{") ? (...values: Value[]) => fill(text, values) : text];
      return [key, Array.isArray(text) ? text : usable(text)];
    }),
  );
}

async function read(url: string): Promise<unknown> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: ${response.status}`);
  return usable((await response.json()) as Tree);
}

let files = 1; // of a language that are needed so far
const known: Partial<Record<Name, object>> = {};

async function load(name: Name): Promise<void> {
  known[name] = Object.assign({}, known[name], ...(await Promise.all(urls[name].slice(0, files).map(read))));
  if (name !== wanted.peek()) return;
  texts.value = known[name] as Texts;
  chosen.value = name;
  document.documentElement.lang = name;
}

/** Load the texts of the parts that load later, once. */
export async function loadLaterTexts(): Promise<void> {
  files = 2;
  while (!texts.peek().rules) await load(wanted.peek());
}

const RETRY_MS = 3000;

/** Load the texts and follow the choice; returns once the first ones are there. */
export function loadTexts(): Promise<void> {
  return new Promise((resolve) => {
    effect(() => {
      const name = wanted.value;
      const again = () => void load(name).then(resolve, () => setTimeout(again, RETRY_MS));
      again();
    });
  });
}
