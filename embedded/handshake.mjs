/** The beginning of a connection: encryption requests, the startup message, the password, and the greeting. */
import { timingSafeEqual, createHash, randomInt } from 'node:crypto';
import * as wire from './wire.mjs';

/** Sends the reason to the client and disconnects it. */
export class Refused extends Error {
  constructor(code, text) {
    super(text);
    this.code = code;
  }
}

const AUTHENTICATION_OK = wire.message('R', wire.int32(0));
const ASK_CLEARTEXT_PASSWORD = wire.message('R', wire.int32(3));
/** Settings of every session, which drivers read. */
const GREETING = {
  server_version: '17.5',
  server_encoding: 'UTF8',
  client_encoding: 'UTF8',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  integer_datetimes: 'on',
  standard_conforming_strings: 'on',
  is_superuser: 'on',
  session_authorization: 'postgres',
  default_transaction_read_only: 'off',
  in_hot_standby: 'off',
  application_name: '',
};
const NOT_SETTINGS = new Set(['user', 'database', 'replication', 'options']);

/**
 * Speaks with a new client until it is authenticated.
 * @param {import('./session.mjs').Session} session
 * @param {string} password latin1
 * @returns {Promise<Array<[string, string]>|null>} settings that the client asked for; null if it just left
 */
export async function handshake(session, password) {
  const body = await startupBody(session);
  if (body === null) return null;
  const parameters = startupParameters(session, body);
  session.startTyped();
  session.write(ASK_CLEARTEXT_PASSWORD);
  const answer = await session.receive();
  if (answer === null) return null;
  checkPassword(answer, password, parameters.get('user'));
  session.write(AUTHENTICATION_OK);
  return settingsOf(parameters);
}

async function startupBody(session) {
  for (let message; (message = await session.receive()) !== null; ) {
    const code = message.body.length >= 4 ? message.body.readInt32BE(0) : 0;
    if (code === wire.SSL_REQUEST || code === wire.GSS_REQUEST) session.write(Buffer.from('N'));
    else if (code === wire.CANCEL_REQUEST) return null; // nothing can be cancelled: see postgres.mjs
    else if (code >> 16 === wire.PROTOCOL_3) return message.body;
    else throw new Refused('0A000', `unsupported frontend protocol ${code >> 16}: this server supports 3.0`);
  }
  return null;
}

function startupParameters(session, body) {
  const parameters = new Map();
  for (let at = 4; at < body.length && body[at] !== 0; ) {
    const [name, next] = wire.cstring(body, at);
    const [value, end] = wire.cstring(body, next);
    parameters.set(name, value);
    at = end;
  }
  negotiate(session, body.readInt32BE(0) & 0xffff, parameters);
  return parameters;
}

/** Answers a client with protocol 3.x or protocol options that only 3.0 without options is supported. */
function negotiate(session, minor, parameters) {
  const options = [...parameters.keys()].filter((name) => name.startsWith('_pq_.'));
  if (minor === 0 && options.length === 0) return;
  const names = options.map((name) => `${name}\0`).join('');
  session.write(wire.message('v', wire.int32(0), wire.int32(options.length), names));
}

function checkPassword({ type, body }, password, user) {
  if (type !== 'p') throw new wire.ProtocolViolation('expected password response');
  const hash = (text) => createHash('sha256').update(text, 'latin1').digest();
  if (timingSafeEqual(hash(wire.cstring(body)[0]), hash(password))) return;
  throw new Refused('28P01', `password authentication failed for user "${user ?? ''}"`);
}

function settingsOf(parameters) {
  const settings = [...parameters].filter(([name]) => !NOT_SETTINGS.has(name) && !name.startsWith('_pq_.'));
  settings.push(...optionSettings(parameters.get('options') ?? ''));
  // Every client asks for UTF-8, which is in force anyway: without it most clients have no settings at all.
  return settings.filter(([name, value]) => name !== 'client_encoding' || !/^'?utf-?8'?$/i.test(value));
}

/** `-c name=value` and `--name=value` of the `options` parameter; a backslash quotes the next character. */
function optionSettings(options) {
  const words = options.match(/(?:\\[^]|\S)+/g) ?? [];
  const text = words.join(' ').replace(/(^| )(?:-c ?|--)/g, '\n');
  return text.split('\n').filter((line) => line.includes('=')).map(optionPair);
}

function optionPair(line) {
  const at = line.indexOf('=');
  return [line.slice(0, at).replaceAll('-', '_'), line.slice(at + 1).trim().replace(/\\([^])/g, '$1')];
}

/**
 * ParameterStatus of every setting that drivers look at, and the id of this session.
 * @param {number} sessionId @param {Array<[string, string]>} settings what the client asked for
 */
export function greeting(sessionId, settings) {
  const asked = new Map(settings.map(([name, value]) => [name.toLowerCase(), value]));
  const statuses = Object.entries(GREETING).map(([name, value]) =>
    wire.parameterStatus(name, asked.get(name.toLowerCase()) ?? value),
  );
  const key = wire.message('K', wire.int32(sessionId), wire.int32(randomInt(2 ** 31)));
  return Buffer.concat([...statuses, key]);
}
