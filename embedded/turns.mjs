/**
 * Whose turn it is. PostgreSQL compiled to WebAssembly is one backend with one session, so a client owns it
 * from its first message until PostgreSQL is idle again; the others wait in the order of arrival.
 * This is what a transaction-mode connection pooler of size one does.
 */

/** Thrown at a client that waits while the server stops. */
export class TurnsClosed extends Error {}

export class Turns {
  #owner = null;
  #waiting = [];
  #closed = false;

  /** Who owns the backend, or null. */
  get owner() {
    return this.#owner;
  }

  /** Resolves when `who` owns the backend (at once if it is free or already theirs). */
  acquire(who) {
    if (this.#closed) return Promise.reject(new TurnsClosed());
    if (this.#owner === null) this.#owner = who;
    if (this.#owner === who) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ who, resolve, reject }));
  }

  /** Hands the backend to the one who waits longest. Does nothing if `who` does not own it. */
  release(who) {
    if (this.#owner !== who) return;
    const next = this.#waiting.shift();
    this.#owner = next ? next.who : null;
    next?.resolve();
  }

  /** Takes `who` out of the queue (it left while it waited). */
  forget(who) {
    const gone = this.#waiting.filter((entry) => entry.who === who);
    this.#waiting = this.#waiting.filter((entry) => entry.who !== who);
    for (const entry of gone) entry.reject(new TurnsClosed());
  }

  /** From now on no session gets a turn. */
  close() {
    this.#closed = true;
    for (const entry of this.#waiting.splice(0)) entry.reject(new TurnsClosed());
  }
}
