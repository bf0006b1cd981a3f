// The server's time. The browser's clock may be hours wrong, so "now" and every age are counted by the `Date` headers.
import { signal } from "@preact/signals";

let offset = 0; // server − browser, milliseconds
let uncertainty = Infinity; // of the offset: half of the answer's time on the way, and the header's whole second

/** When the server last answered or said something, by the browser's clock. */
let contactAt = Date.now();

export function hadContact(): void {
  contactAt = Date.now();
}

/** Learn from an answer's Date header; the most exact answer of the last minutes counts. */
export function learnTime(header: string | null, sentAt: number, receivedAt: number): void {
  const at = header ? Date.parse(header) : NaN;
  if (Number.isNaN(at)) return;
  const error = (receivedAt - sentAt) / 2 + 500;
  uncertainty += 5; // older knowledge weighs less with each answer
  const found = at + 500 - (sentAt + receivedAt) / 2;
  if (error > uncertainty && Math.abs(found - offset) < 5000) return;
  offset = found;
  uncertainty = error;
}

/** Return the server's time in milliseconds. */
export function serverNow(): number {
  return Date.now() + offset;
}

/** How far the browser's clock is from the server's, in milliseconds; positive when the browser is behind. */
export function clockOffset(): number {
  return offset;
}

/** The server's time, moved on each second while the page is visible. */
export const now = signal(Date.now());

/** Whether the server has been silent for so long that the page must not show its data as current. */
export const isStale = signal(false);
const STALE_MS = 60_000;

export function tick(): void {
  now.value = serverNow();
  isStale.value = Date.now() - contactAt > STALE_MS;
}

setInterval(() => {
  if (!document.hidden) tick();
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) tick();
});
