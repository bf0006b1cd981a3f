/**
 * What a client's session statements mean, and when: LISTEN, UNLISTEN, SET and RESET count from the commit of
 * their transaction and not at all if it is rolled back; statement names count at once, as in PostgreSQL.
 */
export class Effects {
  #pending = [];
  #undone = false;

  /** @param {(note: import('./rewrite.mjs').Note) => void} apply called for each note that has come true */
  constructor(apply) {
    this.apply = apply;
  }

  /** A statement has completed with this command tag. `note` may be null. */
  completed(note, tag) {
    if (note !== null) this.#pending.push(note);
    if (tag === 'COMMIT') this.#settle(true);
    if (tag === 'ROLLBACK') this.#undone = true;
  }

  /** PostgreSQL reported an error. */
  failed() {
    this.#undone = true;
  }

  /** PostgreSQL is ready for the next query; `status` as in ReadyForQuery. */
  ready(status) {
    if (status === 'I') this.#settle(!this.#undone);
    this.#undone = false; // inside a transaction: a savepoint may have saved it
  }

  #settle(committed) {
    const notes = this.#pending;
    this.#pending = [];
    if (committed) notes.forEach(this.apply);
  }
}
