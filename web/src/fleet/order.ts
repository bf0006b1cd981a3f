// The order in which devices show. It stays while values change: rows don't move under the pointer until somebody asks.
import { computed, signal } from "@preact/signals";
import { serverNow } from "../lib/clock";
import { param, place } from "../lib/url";
import { FILTER_NAMES, matches, readFilter, sortDevices } from "./filter";
import { devices, membership, type Device } from "./store";
import { valuesChanged } from "./updates";

const turn = signal(0);

/** What of the URL decides about the order; other parameters don't compute it anew. */
const question = computed(() => ["q", "sort", ...FILTER_NAMES].map((name) => `${name}=${param(name)}`).join("&"));

function compute(): Device[] {
  const query = place.peek().query;
  const filter = readFilter(query);
  const at = serverNow();
  const found: Device[] = [];
  for (const device of devices.values()) if (matches(device, filter, at)) found.push(device);
  return sortDevices(found, query.get("sort") ?? "");
}

/** The devices that show, in their order. */
export const shown = computed<Device[]>(() => {
  question.value;
  membership.value;
  turn.value;
  return compute();
});

export function sortAgain(): void {
  turn.value++;
  isOutOfOrder.value = false;
}

/** Whether values have changed so that another order, or other devices, would show. */
export const isOutOfOrder = signal(false);

const CHECK_MS = 10_000;
let checked = 0;

/** Compare what shows with what would; returns how to stop. */
export function watchOrder(): () => void {
  const timer = setInterval(() => {
    if (valuesChanged.peek() === checked || document.hidden) return;
    checked = valuesChanged.peek();
    const there = shown.peek();
    const wanted = compute();
    isOutOfOrder.value = wanted.length !== there.length || wanted.some((device, index) => device !== there[index]);
  }, CHECK_MS);
  return () => clearInterval(timer);
}
