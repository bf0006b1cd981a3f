// Small controls that many pages use.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ApiError } from "../api/call";
import { ago, fullTime, millis, shortTime, type Time } from "../lib/format";
import { place, withParams } from "../lib/url";
import { texts } from "../texts";
import { Icon } from "./icons";
import { say } from "./toasts";

/** A label over a field, its help under it, and its fault. */
export function Field({ label, help, error, children }: { label: string; help?: ComponentChildren; error?: string | undefined; children: (id: string, helpId: string) => ComponentChildren }) {
  const id = useId();
  return (
    <div class={error ? "field wrong" : "field"}>
      <label for={id}>{label}</label>
      {children(id, `${id}h`)}
      <p class="help" id={`${id}h`}>
        {error ?? help}
      </p>
    </div>
  );
}

/** A button that cannot be pressed twice while it works, and shows what failed. */
export function ActButton({ act, children, ...rest }: { act: () => Promise<unknown>; children: ComponentChildren; class?: string; disabled?: boolean; title?: string }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await act();
    } catch (error) {
      sayFault(error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <button {...rest} type="button" aria-busy={busy} disabled={busy || rest.disabled} onClick={() => void run()}>
      {children}
    </button>
  );
}

/** Say a failed call's message. */
export function sayFault(error: unknown): void {
  const t = texts.value.errors;
  if (error instanceof ApiError) say(`${t.codes[error.code] ?? (error.message || t.unknown)} (${error.code})`, true);
  else say(String(error), true);
}

export function CopyButton({ text, label }: { text: string; label?: string }) {
  const t = texts.value;
  return (
    <button type="button" class="small" onClick={() => void copy(text)}>
      <Icon name="copy" size={13} /> {label ?? t.copy}
    </button>
  );
}

export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(texts.value.copied);
  } catch {
    say(texts.value.notCopied, true);
  }
}

/** A time as age, with the full time on hover; `at` shows the clock instead. */
export function When({ time, at = false }: { time: Time; at?: boolean }) {
  const value = millis(time);
  if (Number.isNaN(value)) return <span>{texts.value.never}</span>;
  return (
    <time dateTime={new Date(value).toISOString()} title={fullTime(value)}>
      {at ? shortTime(value) : ago(value)}
    </time>
  );
}

/** Tabs as links: each is a URL, so Back and a new browser tab work. */
export function Tabs({ name, tabs, chosen, label }: { name: string; tabs: Array<[string, ComponentChildren]>; chosen: string; label: string }) {
  place.value;
  return (
    <nav class="tabs" aria-label={label}>
      {tabs.map(([key, title], index) => (
        <a key={key} href={withParams({ [name]: index === 0 ? null : key, page: null })} aria-current={key === chosen ? "page" : undefined}>
          {title}
        </a>
      ))}
    </nav>
  );
}

/** A search box that does not wait for its result: its text is applied after a pause. */
export function SearchBox({ value, change, label, hint = label, wait = 200, keys }: { value: string; change: (text: string) => void; label: string; hint?: string; wait?: number; keys?: string }) {
  const timer = useRef(0);
  const sent = useRef(value);
  const box = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (box.current && value !== sent.current) box.current.value = value;
    sent.current = value;
  }, [value]);
  return (
    <span class="search">
      <Icon name="search" />
      <input
        ref={box}
        type="search"
        aria-label={label}
        aria-keyshortcuts={keys}
        placeholder={hint}
        defaultValue={value}
        onInput={(event) => {
          const text = event.currentTarget.value.trim();
          clearTimeout(timer.current);
          timer.current = window.setTimeout(() => {
            sent.current = text;
            change(text);
          }, wait);
        }}
      />
    </span>
  );
}

/** Typed text of forms by name, kept while the tab lives: a form survives a visit to another page. */
const drafts = new Map<string, ReturnType<typeof signal<unknown>>>();

export function useDraft<T>(name: string, first: T): [T, (value: T) => void, () => void] {
  let found = drafts.get(name);
  if (!found) drafts.set(name, (found = signal<unknown>(first)));
  const kept = found;
  return [kept.value as T, (value) => (kept.value = value), () => (kept.value = first)];
}
