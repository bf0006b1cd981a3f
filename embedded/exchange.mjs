/**
 * One client's exchange with PostgreSQL: runs a message, hands the replies to the client, and knows from them where
 * PostgreSQL stands: idle or in a transaction, ready for more or in the middle of an extended query.
 *
 * When PostgreSQL is ready and idle, the client's turn is over.
 */
import { Effects } from './effects.mjs';
import { commandTag, rowDescriptionColumns, withoutPosition } from './replies.mjs';
import * as wire from './wire.mjs';

const FAILING_PARSE = wire.message('P', '\0', 'no sql\0', wire.int16(0));
const FAILING_QUERY = wire.query("DO 'BEGIN RAISE EXCEPTION ''refused''; END'");
const IGNORED = { bytes() {}, message() {} };
/** Settings whose changes are reported to drivers. */
const REPORTED = ['client_encoding', 'DateStyle', 'IntervalStyle', 'TimeZone', 'application_name'];
const REPORT_SQL = `SELECT concat_ws(E'\\x01', ${REPORTED.map((name) => `current_setting('${name}')`).join(', ')})`;

export class Exchange {
  #status = 'I'; // as in ReadyForQuery
  #ready = true; // ReadyForQuery was PostgreSQL's last message
  #skipping = false; // PostgreSQL ignores everything until Sync
  #notes = [];
  #after = []; // to be done when PostgreSQL is ready
  #replacement = null;

  /**
   * @param {import('./session.mjs').Session} session
   * @param {{completed(note: import('./rewrite.mjs').Note): void, idle(): void}} owner called when a statement with a
   *   note has completed, and when the turn ends
   */
  constructor(session, owner) {
    this.session = session;
    this.owner = owner;
    this.effects = new Effects((note) => this.#comeTrue(note));
  }

  /** Whether a transaction or an extended query is open. */
  get open() {
    return !this.#ready || this.#status !== 'I';
  }

  /** Whether a transaction is open, or has failed. */
  get inTransaction() {
    return this.#status !== 'I';
  }

  /** Whether PostgreSQL ignores messages until Sync, because of an error. */
  get skipping() {
    return this.#skipping;
  }

  /** Runs a message for the client. @param {Array<Note|null>} notes of its statements */
  run(raw, notes = [], copyData = null) {
    this.#notes = [...notes];
    this.#ready = false;
    this.session.server.postgres.run(raw, this, copyData);
    if (this.#ready) this.#settle();
  }

  /** Runs a message without the client's knowledge. */
  runUnseen(raw) {
    this.session.server.postgres.run(raw, IGNORED);
  }

  /** Runs a message that is going to fail, and reports this error in place of PostgreSQL's. */
  runFailing(code, text, raw = FAILING_QUERY, notes = []) {
    this.#replacement = wire.errorResponse('ERROR', code, text);
    this.run(raw, notes);
  }

  /** Has `action` done when PostgreSQL is ready. */
  later(action) {
    this.#after.push(action);
  }

  /** Ends an extended query that has had no effect yet, unless there is a reason to continue. */
  endTurnEarly() {
    if (this.#ready || this.#skipping || this.#status !== 'I') return;
    this.runUnseen(wire.SYNC);
    this.#ready = true;
    this.#settle();
  }

  /** Rolls back the open transaction. */
  abandon() {
    if (!this.#ready) {
      this.runUnseen(FAILING_PARSE); // else Sync would commit the executed statements
      this.session.server.postgres.run(wire.SYNC, this.#statusOnly());
    }
    if (this.#status !== 'I') this.session.server.postgres.exec('ROLLBACK');
  }

  #statusOnly() {
    return {
      bytes() {},
      message: (type, raw) => {
        if (type === 'Z') this.#status = String.fromCharCode(raw[5]);
      },
    };
  }

  /** Number of columns of this query. Null if it is invalid; the client has then received the error. */
  countColumns(sql) {
    const replies = [];
    const collect = { bytes: (raw) => replies.push(['T', raw]), message: (type, raw) => replies.push([type, raw]) };
    const { postgres } = this.session.server;
    const messages = [wire.message('P', '\0', `${sql}\0`, wire.int16(0)), wire.message('D', 'S\0'), wire.SYNC];
    for (const raw of messages) postgres.run(raw, collect);
    const find = (wanted) => replies.find(([type]) => type === wanted)?.[1];
    const error = find('E');
    if (error === undefined) return rowDescriptionColumns(find('T'));
    this.message('E', withoutPosition(error));
    this.message('Z', find('Z'));
    this.#settle();
    return null;
  }

  /** Rows, on their way to the client. Called by Postgres. */
  bytes(bytes) {
    this.session.write(bytes);
  }

  /** Any other reply. Called by Postgres. */
  message(type, raw) {
    let reply = raw;
    if (type === 'C') reply = this.#completed(raw);
    else if (type === 'E') reply = this.#failed(raw);
    else if (type === 'Z') this.#becameReady(raw);
    this.session.write(reply);
  }

  #completed(raw) {
    const note = this.#notes.shift() ?? null;
    this.effects.completed(note, commandTag(raw));
    if (note === null) return raw;
    this.owner.completed(note);
    if (note.set || note.reset) this.later(() => this.#reportSettings());
    return note.tag ? wire.message('C', `${note.tag}\0`) : raw;
  }

  #failed(raw) {
    this.#skipping = true;
    this.effects.failed();
    const reply = this.#replacement ?? raw;
    this.#replacement = null;
    return reply;
  }

  #becameReady(raw) {
    this.#status = String.fromCharCode(raw[5]);
    this.#ready = true;
    this.#skipping = false;
    this.#replacement = null;
    this.effects.ready(this.#status);
  }

  #settle() {
    for (const action of this.#after.splice(0)) action();
    if (this.#status !== 'I') return;
    this.owner.idle();
    this.session.server.turns.release(this.session);
  }

  #comeTrue(note) {
    const { listeners, settingsInForce } = this.session.server;
    const { settings } = this.session;
    if (note.unlisten) listeners.remove(note.unlisten, this.session);
    if (note.listen) listeners.add(note.listen, this.session);
    if (note.set) {
      settings.set(note.set);
      settingsInForce.changedTo(settings);
    }
    if (note.reset) {
      settings.reset(note.reset);
      settingsInForce.forget();
    }
  }

  /** Sends the values of the settings that drivers read. */
  #reportSettings() {
    if (this.#status === 'E') return;
    const values = this.session.server.postgres.exec(REPORT_SQL).split('\x01');
    REPORTED.forEach((name, i) => this.session.write(wire.parameterStatus(name, values[i])));
  }
}
