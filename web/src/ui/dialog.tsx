// Dialogs and menus of the browser's own elements: focus stays inside and goes back where it was.
import type { ComponentChildren, RefObject } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { shown } from "../lib/names";
import { texts } from "../texts";
import { Icon } from "./icons";

/** A modal dialog; it is there as long as it is rendered. */
export function Dialog({ title, close, wide = false, children }: { title: string; close: () => void; wide?: boolean; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const opener = document.activeElement;
    box.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={box}
      class={wide ? "wide" : ""}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <header>
        <h2 id={id}>{shown(title)}</h2>
        <button type="button" class="plain icon-only" aria-label={texts.value.close} onClick={close}>
          <Icon name="close" />
        </button>
      </header>
      <div class="body">{children}</div>
    </dialog>
  );
}

/** A button with a list under it; Escape and a click elsewhere close it. */
export function Menu({ label, icon, children, align = "left", class: className = "", name }: {
  label: ComponentChildren;
  icon?: string;
  children: (close: () => void) => ComponentChildren;
  align?: "left" | "right";
  class?: string;
  name?: string;
}) {
  const [open, setOpen] = useState(false);
  const root = useRef<HTMLDivElement>(null);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  useEffect(() => {
    if (!open) return undefined;
    const outside = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false);
    };
    addEventListener("pointerdown", outside);
    addEventListener("focusin", outside);
    const first = root.current?.querySelector<HTMLElement>(".menu-list button, .menu-list a, .menu-list input, .menu-list select");
    first?.focus();
    return () => {
      removeEventListener("pointerdown", outside);
      removeEventListener("focusin", outside);
    };
  }, [open]);
  const close = () => {
    setOpen(false);
    button.current?.focus();
  };
  return (
    <div
      ref={root}
      class={`menu ${className}`}
      onKeyDown={(event) => {
        if (open && event.key === "Escape") {
          event.stopPropagation();
          close();
        } else if (open) moveFocus(event, root);
      }}
    >
      <button ref={button} type="button" aria-expanded={open} aria-controls={id} aria-label={name} onClick={() => setOpen(!open)}>
        {icon && <Icon name={icon} />}
        {label}
        <Icon name="down" size={10} />
      </button>
      <div id={id} class={`menu-list ${align}`} hidden={!open}>
        {open && children(close)}
      </div>
    </div>
  );
}

function moveFocus(event: KeyboardEvent, root: RefObject<HTMLDivElement | null>): void {
  const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
  if (!step || event.target instanceof HTMLSelectElement) return;
  const items = [...(root.current?.querySelectorAll<HTMLElement>(".menu-list button, .menu-list a, .menu-list input") ?? [])];
  const place = items.indexOf(event.target as HTMLElement);
  items[(place + step + items.length) % items.length]?.focus();
  event.preventDefault();
}
