/**
 * One client's connection: reading and writing its socket, waiting for its turn, and leaving without a trace.
 * What its messages mean is in commands.mjs.
 *
 * Back-pressure: the next bytes are read only when the earlier messages are done, and the next message is done
 * only when the client has taken the earlier replies.
 */
import { Commands } from './commands.mjs';
import { handshake, greeting, Refused } from './handshake.mjs';
import { PostgresError } from './postgres.mjs';
import { ClientSettings } from './settings.mjs';
import { TurnsClosed } from './turns.mjs';
import { FrameReader, ProtocolViolation, errorResponse, int32, message, readyForQuery } from './wire.mjs';

const WRITE_AT_BYTES = 256 * 1024;
const HANDSHAKE_MS = 20_000;
const GOODBYE_MS = 1_000;

export class Session {
  #frames = new FrameReader();
  #chunks;
  #out = [];
  #outBytes = 0;
  #left = false;

  /**
   * @param {import('node:net').Socket} socket
   * @param {import('./main.mjs').Server} server what all sessions share
   * @param {number} id unique; what the client sees as its backend's process id
   */
  constructor(socket, server, id) {
    this.socket = socket;
    this.server = server;
    this.id = id;
    this.settings = new ClientSettings([]);
    this.commands = new Commands(this);
    this.#chunks = socket[Symbol.asyncIterator]();
    socket.setNoDelay(true);
    socket.on('error', () => {}); // the iterator ends, which is all that matters
  }

  /** Serves the client until it leaves. Never rejects. */
  async run() {
    try {
      if (await this.#begin()) await this.#serve();
    } catch (error) {
      this.#explain(error);
    }
    this.socket.destroySoon();
    await this.#leave().catch((error) => this.#explain(error));
  }

  async #begin() {
    const timer = setTimeout(() => this.socket.destroy(), HANDSHAKE_MS);
    const settings = await handshake(this, this.server.password).finally(() => clearTimeout(timer));
    if (settings === null) return false;
    // Applied at the first turn: to connect, nobody has to wait for the end of another's transaction.
    this.settings = new ClientSettings(settings);
    this.write(greeting(this.id, settings));
    this.write(readyForQuery('I'));
    return true;
  }

  async #serve() {
    for (let next; (next = await this.receive()) !== null && next.type !== 'X'; ) {
      const busy = this.commands.handle(next);
      if (busy) await busy;
      if (this.socket.writableNeedDrain) await this.#whileIdle(drained(this.socket));
    }
  }

  /** The client's next message, or null when it has gone. */
  async receive() {
    for (;;) {
      const next = this.#frames.next();
      if (next !== null) return next;
      this.flush();
      const { value, done } = await this.#whileIdle(this.#chunks.next());
      if (done) return null;
      this.#frames.push(value);
    }
  }

  /** From now on the client's messages have a type byte. */
  startTyped() {
    this.#frames.startTyped();
  }

  /** Waits for the client; one that keeps others waiting meanwhile is thrown out after a while. */
  async #whileIdle(promise) {
    const limitMs = this.server.idleInTransactionMs;
    if (this.server.turns.owner !== this || limitMs === 0) return promise;
    const timer = setTimeout(() => {
      this.end('25P03', 'terminating connection due to idle-in-transaction timeout');
    }, limitMs);
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Resolves when PostgreSQL is this client's, with its settings in force. */
  async turn() {
    const { turns, settingsInForce, postgres } = this.server;
    if (turns.owner === this) return;
    this.flush();
    await turns.acquire(this);
    if (this.#left) throw new TurnsClosed();
    settingsInForce.apply(postgres, this.settings);
  }

  /** Queues bytes for the client. @param {Buffer} bytes must not change afterwards */
  write(bytes) {
    this.#out.push(bytes);
    this.#outBytes += bytes.length;
    if (this.#outBytes >= WRITE_AT_BYTES) this.flush();
  }

  /** Sends the queued bytes. */
  flush() {
    if (this.#out.length === 0) return;
    const bytes = this.#out.length === 1 ? this.#out[0] : Buffer.concat(this.#out);
    this.#out = [];
    this.#outBytes = 0;
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** Sends the client a notification (latin1) from the session that has the turn now. */
  notify(channel, payload) {
    const sender = this.server.turns.owner?.id ?? 0;
    this.write(message('A', int32(sender), `${channel}\0${payload}\0`));
    if (this.server.turns.owner !== this) this.flush();
  }

  /** Sends the reason to the client and disconnects it. */
  end(code, text) {
    this.write(errorResponse('FATAL', code, text));
    this.flush();
    this.socket.destroySoon();
    setTimeout(() => this.socket.destroy(), GOODBYE_MS).unref(); // it may not read
  }

  #explain(error) {
    if (error instanceof Refused) this.end(error.code, error.message);
    else if (error instanceof PostgresError) this.end(error.fields.C, error.message); // from its settings
    else if (error instanceof ProtocolViolation) this.end('08P01', error.message);
    else if (error instanceof TurnsClosed) this.end('57P01', 'terminating connection: the server is stopping');
    else if (!this.socket.destroyed) {
      console.error('session', this.id, error);
      this.end('XX000', `internal error: ${error.message}`);
    }
  }

  /** Rolls back, forgets the client's statements and channels, and lets the next one have its turn. */
  async #leave() {
    this.#left = true;
    const { turns, listeners } = this.server;
    turns.forget(this);
    this.commands.close();
    listeners.remove('*', this);
    try {
      if (this.commands.hasTraces && !this.server.stopping) {
        await turns.acquire(this);
        this.commands.abandon();
      }
    } finally {
      turns.release(this);
    }
  }
}

/** Resolves when the client has read all written bytes, or has gone. */
function drained(socket) {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
    if (socket.destroyed) done();
  });
}
