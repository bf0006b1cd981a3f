// The live channel: one socket for the tab, outside all components. It only hints; HTTP has the truth.
import { effect, signal } from "@preact/signals";
import { askToSignIn, signedOut } from "../api/call";
import { hadContact, serverNow } from "./clock";

export interface Message {
  type: string;
  [name: string]: unknown;
}

export type Live = { state: "connecting" | "live" | "away"; since: number; retryAt: number };

const QUIET_MS = 40_000; // without any frame the line is taken for dead
const PING_MS = 15_000;
const POLL_MS = 30_000;
const HIDDEN_MS = 60_000;
const SOCKET_PATH = "/ws";

/** How the channel stands; `since` and `retryAt` are server times in milliseconds. */
export const live = signal<Live>({ state: "connecting", since: serverNow(), retryAt: 0 });
/** Counts up each 30 s while the channel is down, and once when it is back: the shown data is read again over HTTP. */
export const pollTick = signal(0);

type Scope = { scope: "alerts" | "fleet"; business_id?: string };
const listeners = new Map<string, Set<(message: Message) => void>>();
const devices = new Map<string, number>(); // agent_id → how many components follow it
const scopes = new Map<string, { wanted: Scope; count: number }>();

let socket: WebSocket | null = null;
let wanted = false;
let tries = 0;
let heardAt = 0;
let hiddenTimer = 0;
let retryTimer = 0;
let number = 0;

/** Call `take` with each message of a type; returns how to stop. */
export function onMessage(type: string, take: (message: Message) => void): () => void {
  const set = listeners.get(type) ?? new Set();
  listeners.set(type, set.add(take));
  return () => set.delete(take);
}

/** Follow devices; returns how to stop. */
export function followDevices(ids: string[]): () => void {
  const news = ids.filter((id) => !devices.has(id));
  for (const id of ids) devices.set(id, (devices.get(id) ?? 0) + 1);
  if (news.length) say({ type: "subscribe", agent_ids: news });
  return () => {
    const gone: string[] = [];
    for (const id of ids) {
      const left = (devices.get(id) ?? 1) - 1;
      if (left > 0) devices.set(id, left);
      else if (devices.delete(id)) gone.push(id);
    }
    if (gone.length) say({ type: "unsubscribe", agent_ids: gone });
  };
}

/** Follow all alerts, or the whole fleet; returns how to stop. */
export function followScope(scope: Scope): () => void {
  const key = JSON.stringify(scope);
  const entry = scopes.get(key) ?? { wanted: scope, count: 0 };
  entry.count++;
  scopes.set(key, entry);
  if (entry.count === 1) say({ type: "subscribe", ...scope });
  return () => {
    if (--entry.count > 0) return;
    scopes.delete(key);
    say({ type: "unsubscribe", ...scope });
  };
}

/** Open the channel and keep it open until `endLive`. */
export function beginLive(): void {
  if (wanted) return;
  wanted = true;
  open();
}

export function endLive(): void {
  wanted = false;
  clearTimeout(retryTimer);
  socket?.close();
}

function say(message: Message): void {
  if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ id: ++number, ...message }));
}

function open(): void {
  clearTimeout(retryTimer);
  if (!wanted || socket || document.hidden) return;
  const line = new WebSocket(location.origin.replace("http", "ws") + SOCKET_PATH);
  socket = line;
  line.onopen = () => {
    heardAt = Date.now();
    for (let start = 0, ids = [...devices.keys()]; start < ids.length; start += 500) {
      say({ type: "subscribe", agent_ids: ids.slice(start, start + 500) });
    }
    for (const { wanted: scope } of scopes.values()) say({ type: "subscribe", ...scope });
    say({ type: "ping" });
  };
  line.onmessage = (event) => {
    if (line === socket) take(String(event.data));
  };
  line.onclose = (event) => {
    if (line === socket) closed(event.code);
  };
}

function take(text: string): void {
  heardAt = Date.now();
  hadContact();
  if (live.peek().state !== "live") {
    const wasAway = live.peek().state === "away";
    tries = 0;
    live.value = { state: "live", since: serverNow(), retryAt: 0 };
    if (wasAway) pollTick.value++;
  }
  let message: Message;
  try {
    message = JSON.parse(text) as Message;
  } catch {
    return;
  }
  gather(message);
}

let gathered: Message[] = [];

/** Messages of one moment are handled together before the next frame is drawn. */
function gather(message: Message): void {
  gathered.push(message);
  if (gathered.length > 1) return;
  const handle = () => {
    const batch = gathered;
    gathered = [];
    for (const one of batch) for (const take of listeners.get(one.type) ?? []) take(one);
  };
  if (document.hidden) setTimeout(handle, 0);
  else requestAnimationFrame(handle);
}

function closed(code: number): void {
  socket = null;
  if (code === 4401) askToSignIn();
  if (!wanted) return;
  const pause = Math.min(30_000, 1000 * 2 ** tries++) * (0.75 + Math.random() / 2);
  const before = live.peek();
  const since = before.state === "away" ? before.since : serverNow();
  live.value = { state: "away", since, retryAt: serverNow() + pause };
  retryTimer = window.setTimeout(open, pause);
}

/** Try at once instead of waiting for the next turn. */
export function reconnectNow(): void {
  if (!socket) open();
}

setInterval(() => {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  if (Date.now() - heardAt > QUIET_MS) {
    const dead = socket;
    closed(4000);
    dead.close();
  } else say({ type: "ping" });
}, PING_MS);

setInterval(() => {
  if (wanted && live.peek().state === "away" && !document.hidden && !signedOut.peek()) pollTick.value++;
}, POLL_MS);

document.addEventListener("visibilitychange", () => {
  clearTimeout(hiddenTimer);
  if (document.hidden) hiddenTimer = window.setTimeout(() => socket?.close(), HIDDEN_MS);
  else if (wanted && !socket) {
    live.value = { state: "connecting", since: serverNow(), retryAt: 0 };
    open();
    pollTick.value++;
  }
});
addEventListener("online", reconnectNow);
effect(() => {
  if (!signedOut.value) reconnectNow();
});
