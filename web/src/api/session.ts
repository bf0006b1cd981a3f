// Who is signed in, and how: by the platform's token, or the demo's buttons.
import { computed, signal } from "@preact/signals";
import { beginLive, endLive } from "../lib/live";
import { ApiError, call, signedInAgain } from "./call";
import type { DemoLogin, Me } from "./pending";

/** The person who is signed in; null: nobody, undefined: not known yet. */
export const me = signal<Me | null | undefined>(undefined);
/** Why it isn't known who is signed in: the server doesn't answer. */
export const meError = signal<ApiError | null>(null);

export const isEmployee = computed(() => me.value?.kind === "employee");

export function may(permission: keyof Me["permissions"]): boolean {
  return me.value?.permissions[permission] ?? false;
}

/** Ask who is signed in. */
export async function readMe(): Promise<void> {
  try {
    enter(await call<Me>("GET", "/api/me", { waitForSignIn: false }));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) me.value = null;
    else meError.value = error instanceof ApiError ? error : new ApiError(0, "page_fault", String(error));
  }
}

/** Sign in with a token of the platform. */
export async function signInWithToken(token: string): Promise<void> {
  enter(await call<Me>("POST", "/api/session", { body: { token }, waitForSignIn: false }));
}

export async function signInToDemo(key: string): Promise<void> {
  enter(await call<Me>("POST", "/api/session/demo", { body: { key }, waitForSignIn: false }));
}

/** Return the demo's logins; [] where there is no demo login. */
export async function demoLogins(): Promise<DemoLogin[]> {
  try {
    return (await call<{ logins: DemoLogin[] }>("GET", "/api/session/demo", { waitForSignIn: false })).logins;
  } catch {
    return [];
  }
}

export async function signOut(): Promise<void> {
  endLive();
  await call("DELETE", "/api/session", { waitForSignIn: false });
  location.assign("/sign-in"); // a fresh page: nothing of this person stays in memory
}

function enter(found: Me): void {
  const before = me.peek();
  if (before && before.subject !== found.subject) {
    location.reload(); // somebody else: nothing that the former saw may stay
    return;
  }
  me.value = found;
  meError.value = null;
  signedInAgain();
  if (!location.pathname.startsWith("/embed/")) beginLive();
}

/** Take a token from the address (`#token=`), remove it from there, and sign in. */
export async function takeTokenFromAddress(): Promise<boolean> {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  history.replaceState(null, "", location.pathname + location.search);
  await signInWithToken(token);
  return true;
}
