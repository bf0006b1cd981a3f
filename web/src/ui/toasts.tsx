// Short messages at the bottom: the action that was done, with Undo where possible.
import { signal } from "@preact/signals";
import { texts } from "../texts";

interface Toast {
  id: number;
  text: string;
  bad: boolean;
  undo?: () => void;
}

const toasts = signal<Toast[]>([]);
let number = 0;

function remove(id: number): void {
  toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/** Say something for some seconds. */
export function say(text: string, bad = false, seconds = bad ? 10 : 5): void {
  const id = ++number;
  toasts.value = [...toasts.value, { id, text, bad }];
  setTimeout(() => remove(id), seconds * 1000);
}

const UNDO_SECONDS = 5;
const undone = new Map<number, () => void>();

/** Do something in 5 seconds unless it is undone before; leaving the page does it at once. */
export function doSoon(text: string, act: () => void, takeBack: () => void): void {
  const id = ++number;
  const finish = () => {
    clearTimeout(timer);
    undone.delete(id);
    remove(id);
  };
  const timer = setTimeout(() => {
    finish();
    act();
  }, UNDO_SECONDS * 1000);
  undone.set(id, () => {
    finish();
    act();
  });
  const undo = () => {
    finish();
    takeBack();
  };
  toasts.value = [...toasts.value, { id, text, bad: false, undo }];
}

addEventListener("pagehide", () => {
  for (const act of [...undone.values()]) act();
});

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <div key={toast.id} class={toast.bad ? "toast bad" : "toast"}>
          <span>{toast.text}</span>
          {toast.undo && (
            <button type="button" class="small" onClick={toast.undo}>
              {texts.value.undo}
            </button>
          )}
        </div>
      ))}
    </div>
  );
}
