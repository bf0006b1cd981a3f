// One way to call the API: same-origin cookie, errors as ApiError, 401 waits for the person to sign in again.
import { signal } from "@preact/signals";
import { hadContact, learnTime } from "../lib/clock";

export class ApiError extends Error {
  constructor(
    readonly status: number, // 0: no answer at all
    readonly code: string,
    message: string,
    readonly details: unknown = null,
    readonly retryAfter: number | null = null, // seconds
  ) {
    super(message);
  }
}

/** Whether the session has ended; the sign-in shows over the page, whose state stays. */
export const signedOut = signal(false);
let waiting: Array<() => void> = [];

export function askToSignIn(): void {
  signedOut.value = true;
}

/** Say that somebody is signed in again: the calls that waited go on. */
export function signedInAgain(): void {
  signedOut.value = false;
  const going = waiting;
  waiting = [];
  for (const goOn of going) goOn();
}

export interface Options {
  query?: Record<string, string | number | boolean | null | undefined>;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  waitForSignIn?: boolean;
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Call the API and return its answer; raises ApiError, or AbortError when `signal` ends it. */
export async function call<T>(method: Method, path: string, options: Options = {}): Promise<T> {
  const response = await send(method, path, options);
  if (response.status === 401 && options.waitForSignIn !== false) {
    await untilSignedIn(options.signal);
    return call<T>(method, path, options);
  }
  if (!response.ok) throw await errorOf(response);
  return (response.status === 204 ? undefined : await response.json()) as T;
}

async function send(method: Method, path: string, options: Options): Promise<Response> {
  const headers: Record<string, string> = { Accept: "application/json", ...options.headers };
  if (method !== "GET") headers["X-RTS-Request"] = "1";
  if (options.body !== undefined) headers["Content-Type"] = "application/json";
  const sentAt = Date.now();
  try {
    const response = await fetch(address(path, options.query), {
      method,
      headers,
      credentials: "same-origin",
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
    });
    learnTime(response.headers.get("Date"), sentAt, Date.now());
    if (response.status < 500) hadContact();
    return response;
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new ApiError(0, "no_connection", "");
  }
}

export function address(path: string, query: Options["query"] = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(name, String(value));
  }
  return search.size ? `${path}?${search}` : path;
}

async function errorOf(response: Response): Promise<ApiError> {
  const seconds = Number(response.headers.get("Retry-After"));
  const retryAfter = seconds > 0 ? seconds : null;
  try {
    const { error } = (await response.json()) as { error: { code: string; message: string; details: unknown } };
    return new ApiError(response.status, error.code, error.message, error.details, retryAfter);
  } catch {
    return new ApiError(response.status, `http_${response.status}`, response.statusText, null, retryAfter);
  }
}

function untilSignedIn(abort?: AbortSignal): Promise<void> {
  askToSignIn();
  return new Promise((resolve, reject) => {
    waiting.push(resolve);
    abort?.addEventListener("abort", () => reject(abort.reason));
  });
}
