/**
 * What one client's messages mean. Most of them go to PostgreSQL as they are, one at a time, and the replies
 * go back as they are. Changed on the way: names of prepared statements get the client's prefix; statements that
 * speak about the session are rewritten (see rewrite.mjs); COPY FROM STDIN is collected first (see copyin.mjs).
 *
 * Portals keep their names: they end with the transaction and so with the turn, and a client may DECLARE a cursor
 * in SQL and describe or execute it as a portal (psycopg does).
 */
import { CopyData } from './copyin.mjs';
import { Exchange } from './exchange.mjs';
import { rewrite } from './rewrite.mjs';
import * as wire from './wire.mjs';

export class Commands {
  #statements = new Map(); // name → note of its SQL, or null
  #portals = new Map(); // since the last time that PostgreSQL was idle
  #copy = null;

  /** @param {import('./session.mjs').Session} session */
  constructor(session) {
    this.session = session;
    this.prefix = `c${session.id}.`;
    this.exchange = new Exchange(session, {
      completed: (note) => this.#completed(note),
      idle: () => this.#portals.clear(),
    });
  }

  /** Does what the message asks. @returns {Promise<void>|void} */
  handle(message) {
    if (this.#copy !== null) return this.#copying(message);
    const method = HANDLERS[message.type];
    if (method === undefined) throw new wire.ProtocolViolation(`unexpected message type "${message.type}"`);
    return method.call(this, message);
  }

  /** Whether PostgreSQL still has something of this client. */
  get hasTraces() {
    return this.#statements.size > 0 || this.exchange.open;
  }

  /** Undoes what the client has left open. The turn must be its own. */
  abandon() {
    this.exchange.abandon();
    this.#closeStatements();
  }

  /** Gives back what the client has left in this process. */
  close() {
    this.#copy?.data.close();
    this.#copy = null;
  }

  async simpleQuery({ body, raw }) {
    const [sql] = wire.cstring(body);
    const { sql: text, notes } = rewrite(sql, this.prefix);
    await this.session.turn();
    const note = notes.find((entry) => entry?.copy);
    if (note === undefined) this.exchange.run(text === sql ? raw : wire.query(text), notes);
    else if (notes.length === 1) this.#beginSimpleCopy(wire.query(text), note);
    else this.exchange.runFailing('0A000', 'COPY FROM STDIN must be the only statement of its query');
  }

  async parse({ body }) {
    const [name, afterName] = wire.cstring(body);
    const [sql, afterSql] = wire.cstring(body, afterName);
    const { sql: text, notes } = rewrite(sql, this.prefix);
    await this.session.turn();
    // The unnamed statement is one per client, too: a driver may use it after others had their turn.
    if (name === '') this.#closeStatement('');
    this.#statements.set(name, notes[0] ?? null);
    this.exchange.run(wire.message('P', `${this.prefix}${name}\0`, `${text}\0`, body.subarray(afterSql)));
  }

  async bind({ body }) {
    const [portal, afterPortal] = wire.cstring(body);
    const [statement, afterStatement] = wire.cstring(body, afterPortal);
    await this.session.turn();
    this.#portals.set(portal, this.#statements.get(statement) ?? null);
    this.exchange.run(wire.message('B', `${portal}\0${this.prefix}${statement}\0`, body.subarray(afterStatement)));
  }

  /** Describe and Close: a kind byte (S statement, P portal) and a name. */
  async describeOrClose({ type, body, raw }) {
    const kind = String.fromCharCode(body[0]);
    const [name] = wire.cstring(body, 1);
    await this.session.turn();
    if (type === 'C' && kind === 'S') this.#statements.delete(name);
    this.exchange.run(kind === 'S' ? wire.message(type, 'S', `${this.prefix}${name}\0`) : raw);
  }

  async execute({ body, raw }) {
    const [portal] = wire.cstring(body);
    await this.session.turn();
    const note = this.#portals.get(portal) ?? null;
    if (note?.copy && !this.exchange.skipping) this.#beginCopy(raw, note, 0);
    else this.exchange.run(raw, [note]);
  }

  async sync({ raw }) {
    await this.session.turn();
    this.exchange.run(raw);
  }

  /**
   * Flush. asyncpg prepares with Parse, Describe, Flush, and may execute much later or never. Others need not wait
   * for that: as long as nothing was bound, a Sync of our own ends the turn and undoes nothing.
   */
  flush() {
    if (this.#portals.size === 0) this.exchange.endTurnEarly();
  }

  async functionCall() {
    await this.session.turn();
    this.exchange.runFailing('0A000', 'function calls by protocol message are not supported: use SELECT');
  }

  ignore() {} // COPY data after a COPY that is over

  #completed(note) {
    if (note.deallocateAll) this.exchange.later(() => this.#closeStatements());
    if (note.prepared !== undefined) this.#statements.set(note.prepared, null);
  }

  #closeStatement(name) {
    this.exchange.runUnseen(wire.message('C', 'S', `${this.prefix}${name}\0`));
    this.#statements.delete(name);
  }

  #closeStatements() {
    if (this.#statements.size === 0) return;
    for (const name of [...this.#statements.keys()]) this.#closeStatement(name);
    this.exchange.runUnseen(wire.SYNC);
  }

  // --- COPY FROM STDIN ------------------------------------------------------------------------------------

  #beginSimpleCopy(raw, note) {
    const columns = note.copy.probe === null ? 0 : this.exchange.countColumns(note.copy.probe);
    if (columns === null) return;
    this.#beginCopy(raw, note, columns);
    // Outside of a transaction others may have their turn while this client sends its data.
    if (!this.exchange.inTransaction) this.session.server.turns.release(this.session);
  }

  #beginCopy(raw, note, columns) {
    const { spoolDir, copyMemoryBytes } = this.session.server;
    this.#copy = { raw, note, data: new CopyData(spoolDir, copyMemoryBytes), failure: null };
    this.session.write(wire.copyInResponse(note.copy.binary, columns));
    this.session.flush();
  }

  #copying({ type, body }) {
    if (type === 'd') return this.#collect(body);
    if (type === 'S' || type === 'H') return undefined; // by the protocol these are ignored here
    if (type === 'f') this.#copy.failure ??= ['57014', `COPY from stdin failed: ${copyFailReason(body)}`];
    else if (type !== 'c') throw new wire.ProtocolViolation(`unexpected message type "${type}" during COPY`);
    return this.#endCopy();
  }

  #collect(body) {
    if (this.#copy.failure !== null) return;
    try {
      this.#copy.data.write(body);
    } catch (error) {
      this.#copy.failure = ['53100', `could not store the data of COPY: ${error.message}`];
    }
  }

  async #endCopy() {
    await this.session.turn();
    const { raw, note, data, failure } = this.#copy;
    this.#copy = null;
    try {
      // Without data PostgreSQL's COPY fails, and so does its transaction, as it must.
      if (failure !== null) this.exchange.runFailing(...failure, raw, [note]);
      else this.exchange.run(raw, [note], data);
    } finally {
      data.close();
    }
  }
}

const copyFailReason = (body) => Buffer.from(wire.cstring(body)[0], 'latin1').toString();

const HANDLERS = {
  Q: Commands.prototype.simpleQuery,
  P: Commands.prototype.parse,
  B: Commands.prototype.bind,
  D: Commands.prototype.describeOrClose,
  C: Commands.prototype.describeOrClose,
  E: Commands.prototype.execute,
  S: Commands.prototype.sync,
  H: Commands.prototype.flush,
  F: Commands.prototype.functionCall,
  d: Commands.prototype.ignore,
  c: Commands.prototype.ignore,
  f: Commands.prototype.ignore,
};
