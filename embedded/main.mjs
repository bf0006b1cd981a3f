/**
 * Starts and stops the server: options, lock, password, PostgreSQL, listening socket, signals.
 */
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { Checkpoints } from './checkpoints.mjs';
import { prepareSpool } from './copyin.mjs';
import { lockDirectory } from './lock.mjs';
import { Listeners } from './notify.mjs';
import { Postgres } from './postgres.mjs';
import { Session } from './session.mjs';
import { SettingsInForce } from './settings.mjs';
import { Turns } from './turns.mjs';

const HOST = '127.0.0.1';
const FIRST_SESSION_ID = 1000;
const DEATH_GRACE_MS = 500;

const OPTIONS = {
  'data-dir': { type: 'string' },
  port: { type: 'string', default: '0' },
  'password-file': { type: 'string' },
  'idle-in-transaction-seconds': { type: 'string', default: '60' },
  'copy-memory-bytes': { type: 'string', default: String(4 * 1024 * 1024) },
  'exit-with-parent': { type: 'boolean', default: false },
};

/** What all sessions share. */
export class Server {
  turns = new Turns();
  listeners = new Listeners();
  settingsInForce = new SettingsInForce();
  sessions = new Set();
  stopping = false;
  #nextId = FIRST_SESSION_ID;

  /** @param {object} options spoolDir, password (latin1), idleInTransactionMs, copyMemoryBytes */
  constructor(postgres, options) {
    Object.assign(this, options);
    this.postgres = postgres;
    this.net = net.createServer((socket) => this.#welcome(socket));
    this.checkpoints = new Checkpoints(this);
    postgres.onNotification = (channel, payload) => this.listeners.deliver(channel, payload);
    postgres.onDeath = (error) => this.#die(error);
  }

  /** @param {number} port 0 for a free one @returns {Promise<number>} the port */
  listen(port) {
    return new Promise((resolve, reject) => {
      this.net.once('error', reject);
      this.net.listen(port, HOST, () => resolve(this.net.address().port));
    });
  }

  async #welcome(socket) {
    this.#nextId += 1;
    const session = new Session(socket, this, this.#nextId);
    this.sessions.add(session);
    await session.run();
    this.sessions.delete(session);
  }

  /** Ends every session, rolls back open transactions, writes everything to disk, ends the process. */
  async stop() {
    if (this.stopping) return;
    this.stopping = true;
    this.net.close();
    this.checkpoints.stop();
    this.turns.close();
    for (const session of this.sessions) session.end('57P01', 'terminating connection: the server is stopping');
    this.turns.owner?.commands?.abandon();
    await this.postgres.close();
    process.exit(0);
  }

  /** PostgreSQL has ended: waiting clients get an error, and the parent process sees a failure. */
  #die(error) {
    if (this.stopping) process.exit(1);
    this.stopping = true;
    console.error('PostgreSQL (WebAssembly) died; start the server again, committed rows are kept.', error);
    this.net.close();
    this.turns.close();
    for (const session of this.sessions) {
      session.end('57P01', `the embedded PostgreSQL died (${error.message}): start the server again`);
    }
    setTimeout(() => process.exit(1), DEATH_GRACE_MS);
  }
}

/** Runs the server. @param {string[]} argv */
export async function main(argv) {
  console.log = console.info = console.error; // standard output carries one line only
  const { values } = parseArgs({ args: argv, options: OPTIONS });
  if (values['data-dir'] === undefined) throw new Error('--data-dir is required');
  const directory = path.resolve(values['data-dir']);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  fs.chmodSync(directory, 0o700);
  await lockDirectory(directory);
  const server = new Server(await openPostgres(directory), settingsFrom(values, directory));
  stopOnSignals(server, values['exit-with-parent']);
  const port = await server.listen(Number(values.port));
  server.checkpoints.start();
  process.stdout.write(`${JSON.stringify({ ready: true, port, pid: process.pid })}\n`);
}

async function openPostgres(directory) {
  prepareSpool(path.join(directory, 'spool'));
  return Postgres.open(path.join(directory, 'pgdata'));
}

function settingsFrom(values, directory) {
  return {
    spoolDir: path.join(directory, 'spool'),
    password: readPassword(values['password-file'] ?? path.join(directory, 'password')),
    idleInTransactionMs: Number(values['idle-in-transaction-seconds']) * 1000,
    copyMemoryBytes: Number(values['copy-memory-bytes']),
  };
}

/** The password in `file` (latin1); a random one is written there at the first start, readable by the owner only. */
function readPassword(file) {
  if (!fs.existsSync(file)) fs.writeFileSync(file, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  return fs.readFileSync(file, 'latin1').trim();
}

function stopOnSignals(server, withParent) {
  const stop = () => {
    server.stop().catch((error) => {
      console.error(error);
      process.exit(1);
    });
  };
  process.on('uncaughtException', (error) => {
    console.error(error);
    process.exit(1);
  });
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (!withParent) return;
  process.stdin.on('end', stop);
  process.stdin.on('error', stop);
  process.stdin.resume();
}
