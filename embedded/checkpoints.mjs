/**
 * Regular checkpoints. PostgreSQL leaves them to a background process that does not exist here; without them
 * its log would grow for ever and a restart after a kill would replay all of it.
 */
const LOOK_EVERY_MS = 5_000;
const WAL_BYTES = 64 * 1024 * 1024;
const WAL_SINCE_CHECKPOINT = `
  SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), redo_lsn)::bigint FROM pg_control_checkpoint()`;

export class Checkpoints {
  #timer = null;
  #waiting = false;

  /** @param {import('./main.mjs').Server} server */
  constructor(server) {
    this.server = server;
  }

  /** Looks at regular times whether a checkpoint is due. */
  start() {
    this.#timer = setInterval(() => this.#look(), LOOK_EVERY_MS);
  }

  stop() {
    clearInterval(this.#timer);
  }

  async #look() {
    const { turns, postgres } = this.server;
    if (this.#waiting) return; // a client has had the turn for long
    this.#waiting = true;
    try {
      await turns.acquire(this);
      if (Number(postgres.exec(WAL_SINCE_CHECKPOINT)) > WAL_BYTES) postgres.exec('CHECKPOINT');
    } catch (error) {
      if (!this.server.stopping) console.error('checkpoint', error);
    } finally {
      this.#waiting = false;
      turns.release(this);
    }
  }
}
