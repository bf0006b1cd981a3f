/**
 * SET per client. There is one session, so what a client has SET must not be seen by others and must be there
 * again at its next turn. Each client has a list of SET statements (those of its connection string first); when
 * the turn goes to a client whose list differs from what is in force, everything is reset and its list applied.
 *
 * Limits, on purpose: only SET and RESET statements are seen. What a function or `set_config(…, false)` sets
 * stays in force until the next time that two clients with different lists follow each other.
 */
import { quoteLiteral } from './sql.mjs';

const DEFAULTS = '';
const FORGET = 'RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL';

/** One client's list. */
export class ClientSettings {
  #startup;
  #own = new Map();

  /** @param {Array<[string, string]>} startup names and values of the connection string, latin1 */
  constructor(startup) {
    this.#startup = startup.map((pair) => `SELECT set_config(${pair.map(quoteLiteral).join(', ')}, false)`);
  }

  /** @param {{name: string, sql: string}} statement */
  set({ name, sql }) {
    this.#own.delete(name);
    this.#own.set(name, sql);
  }

  /** @param {string} name or '*' for all */
  reset(name) {
    if (name === '*') this.#own.clear();
    else this.#own.delete(name);
  }

  /** The SQL that brings these settings about, from the defaults. */
  get sql() {
    return [...this.#startup, ...this.#own.values()].join(';');
  }
}

/** The settings in force in the one session. */
export class SettingsInForce {
  #sql = DEFAULTS;

  /** Brings a client's settings into force. @param {import('./postgres.mjs').Postgres} postgres */
  apply(postgres, settings) {
    const wanted = settings.sql;
    if (wanted === this.#sql) return;
    postgres.exec(FORGET);
    this.#sql = DEFAULTS;
    if (wanted !== DEFAULTS) postgres.exec(wanted);
    this.#sql = wanted;
  }

  /** The client itself changed them: `settings` are those in force now. */
  changedTo(settings) {
    this.#sql = settings.sql;
  }

  /** The client ran RESET ALL: what its connection string asked for has to be applied again. */
  forget() {
    this.#sql = null;
  }
}
