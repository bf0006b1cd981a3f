/**
 * Reads the stream of replies that PostgreSQL writes, cut anywhere, and gives each message to a handler.
 *
 * Most bytes are rows and COPY data, which nobody here needs to understand: they are passed on as they come,
 * in whatever pieces, so a result of any size is never held in one buffer. The few other types are small and
 * are handed over whole, because the session must see errors, command tags, notifications and ReadyForQuery.
 */

import { message } from './wire.mjs';

const ROWS = new Set(['D', 'd', 'V', 'T']);

export class ReplyReader {
  #rest = Buffer.alloc(0);
  #passing = 0;

  /**
   * @param {Buffer} chunk bytes from PostgreSQL; the reader keeps no reference to rows
   * @param {{bytes(b: Buffer): void, message(type: string, raw: Buffer): void}} handler
   */
  push(chunk, handler) {
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let at = this.#pass(data, handler);
    while (data.length - at >= 5) {
      const end = at + 1 + data.readInt32BE(at + 1);
      const type = String.fromCharCode(data[at]);
      if (ROWS.has(type)) {
        handler.bytes(data.subarray(at, Math.min(end, data.length)));
        this.#passing = Math.max(0, end - data.length);
      } else if (end <= data.length) {
        handler.message(type, data.subarray(at, end));
      } else {
        break;
      }
      at = Math.min(end, data.length);
    }
    this.#rest = data.subarray(at);
  }

  /** Passes on the rest of a row that began in an earlier chunk; returns its number of bytes. */
  #pass(data, handler) {
    const size = Math.min(this.#passing, data.length);
    if (size > 0) handler.bytes(data.subarray(0, size));
    this.#passing -= size;
    return size;
  }
}

/** The fields of an ErrorResponse or NoticeResponse by their one-letter keys (C code, M message, D detail…). */
export function errorFields(raw) {
  const fields = {};
  for (const part of raw.toString('utf8', 5).split('\0')) {
    if (part !== '') fields[part[0]] = part.slice(1);
  }
  return fields;
}

/** The command tag of a CommandComplete, like `INSERT 0 1`. */
export const commandTag = (raw) => raw.toString('latin1', 5, raw.length - 1);

/** Channel and payload (latin1) of a NotificationResponse. */
export function notification(raw) {
  const [channel, payload] = raw.toString('latin1', 9).split('\0');
  return { channel, payload };
}

/** How many columns a RowDescription describes. */
export const rowDescriptionColumns = (raw) => raw?.readInt16BE(5) ?? 0;

/** The same ErrorResponse without its position, for an error in text that the client did not write. */
export function withoutPosition(raw) {
  const parts = raw.toString('latin1', 5).split('\0');
  const kept = parts.filter((part) => !part.startsWith('P')).join('\0');
  return message('E', kept);
}
