/**
 * PostgreSQL's wire protocol, version 3, as bytes: cutting a client's stream into messages, and building the
 * few messages that this server sends itself. It is independent of sessions and SQL.
 *
 * A message is a type byte, a 4-byte length that counts itself, and a body. Only the first message of a
 * connection has no type byte. Strings end with a zero byte. SQL is decoded as latin1 throughout: it keeps
 * every byte, so text can be cut and joined without knowing its encoding (all keywords are ASCII).
 */

export const PROTOCOL_3 = 3;
export const CANCEL_REQUEST = 80877102;
export const SSL_REQUEST = 80877103;
export const GSS_REQUEST = 80877104;

const HEADER_BYTES = 5;
const SMALL_LIMIT_BYTES = 64 * 1024;
const LARGE_LIMIT_BYTES = 256 * 1024 * 1024;
/** Types that may carry SQL, parameters or data; all others are small. */
const LARGE_TYPES = new Set(['Q', 'P', 'B', 'd']);
const CLIENT_TYPES = new Set('QPBDECHSXFpdcf');

/** The client sent something that is not this protocol; the connection cannot be saved. */
export class ProtocolViolation extends Error {}

/** Cuts a byte stream into messages, whatever the TCP boundaries are. */
export class FrameReader {
  #chunks = [];
  #bytes = 0;
  #typed = false;

  /** Adds bytes as they arrived. @param {Buffer} chunk */
  push(chunk) {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** From now on messages have a type byte (the first one of a connection has none). */
  startTyped() {
    this.#typed = true;
  }

  /** The next complete message as `{type, body, raw}`, or null. `type` is '' for an untyped one. */
  next() {
    const head = this.#typed ? HEADER_BYTES : HEADER_BYTES - 1;
    if (this.#bytes < head) return null;
    const first = this.#peek(head);
    const type = this.#typed ? String.fromCharCode(first[0]) : '';
    const total = first.readUInt32BE(head - 4) + head - 4;
    checkFrame(type, total - head);
    if (this.#bytes < total) return null;
    const raw = this.#take(total);
    return { type, body: raw.subarray(head), raw };
  }

  /** The first `size` bytes in one piece; joins chunks only when the header is split. */
  #peek(size) {
    if (this.#chunks[0].length < size) this.#chunks = [Buffer.concat(this.#chunks)];
    return this.#chunks[0];
  }

  /** Removes `size` bytes; joins each chunk at most once, so that a large message costs linear time. */
  #take(size) {
    if (this.#chunks[0].length < size) this.#chunks = [Buffer.concat(this.#chunks)];
    const whole = this.#chunks[0];
    if (whole.length === size) this.#chunks.shift();
    else this.#chunks[0] = whole.subarray(size);
    this.#bytes -= size;
    return whole.subarray(0, size);
  }
}

function checkFrame(type, bodyBytes) {
  if (type !== '' && !CLIENT_TYPES.has(type)) {
    throw new ProtocolViolation(`invalid frontend message type ${type.charCodeAt(0)}`);
  }
  const limit = LARGE_TYPES.has(type) ? LARGE_LIMIT_BYTES : SMALL_LIMIT_BYTES;
  if (bodyBytes < 0 || bodyBytes > limit) throw new ProtocolViolation('invalid message length');
}

/** One message. @param {string} type one character @param {...(string|Buffer)} parts body, in order */
export function message(type, ...parts) {
  const body = Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
  const head = Buffer.alloc(HEADER_BYTES);
  head.write(type, 0, 'latin1');
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** A big-endian 32-bit number. */
export function int32(value) {
  const out = Buffer.alloc(4);
  out.writeInt32BE(value);
  return out;
}

/** A big-endian 16-bit number. */
export function int16(value) {
  const out = Buffer.alloc(2);
  out.writeInt16BE(value);
  return out;
}

/** The zero-terminated string at `offset` as `[text, offset after it]`. */
export function cstring(body, offset = 0) {
  const end = body.indexOf(0, offset);
  if (end < 0) throw new ProtocolViolation('string without end');
  return [body.toString('latin1', offset, end), end + 1];
}

/** A simple Query message; `sql` in latin1. */
export const query = (sql) => message('Q', sql, '\0');
export const SYNC = message('S');
export const TERMINATE = message('X');

/** ErrorResponse; `severity` FATAL means that the connection is closed after it. */
export function errorResponse(severity, code, text) {
  return message('E', `S${severity}\0V${severity}\0C${code}\0M`, Buffer.from(text), '\0\0');
}

/** ReadyForQuery; `status` is I (idle), T (in a transaction) or E (in a failed one). */
export const readyForQuery = (status) => message('Z', status);

/** CopyInResponse for `columns` columns in text or binary format. */
export function copyInResponse(binary, columns) {
  const format = binary ? 1 : 0;
  const formats = Buffer.concat(Array.from({ length: columns }, () => int16(format)));
  return message('G', Buffer.from([format]), int16(columns), formats);
}

/** ParameterStatus: the value of a setting. */
export const parameterStatus = (name, value) => message('S', `${name}\0${value}\0`);
