/**
 * The data of one COPY … FROM STDIN. PostgreSQL in WebAssembly cannot wait for a client in the middle of a
 * statement (it aborts), so the data is collected first and PostgreSQL then reads it as a file: a device that
 * is backed by this class. Up to `memoryLimit` bytes stay in memory; a larger COPY continues in a file in the
 * spool directory, so that the memory of a COPY is bounded whatever its size. The file is unlinked as soon as
 * it is open: however the process ends, it takes no space afterwards.
 */
import fs from 'node:fs';
import path from 'node:path';

let counter = 0;

export class CopyData {
  #chunks = [];
  #held = 0;
  #file = null;
  #readAt = 0;
  #chunk = 0;

  /** @param {string} spoolDir @param {number} memoryLimit bytes */
  constructor(spoolDir, memoryLimit) {
    this.spoolDir = spoolDir;
    this.memoryLimit = memoryLimit;
  }

  /** Adds the body of one CopyData message (copied: it is a view of a network buffer). */
  write(bytes) {
    this.#chunks.push(Buffer.from(bytes));
    this.#held += bytes.length;
    if (this.#held > this.memoryLimit) this.#spill();
  }

  /** Appends the buffer in memory to the file. */
  #spill() {
    this.#file ??= openUnlinked(this.spoolDir);
    for (const chunk of this.#chunks) {
      for (let at = 0; at < chunk.length; ) at += fs.writeSync(this.#file, chunk, at);
    }
    this.#chunks = [];
    this.#held = 0;
  }

  /** Copies up to `length` bytes to `target` at `offset`; returns how many, 0 at the end. */
  read(target, offset, length) {
    if (this.#file !== null) {
      if (this.#held > 0) this.#spill(); // the end of the data
      const size = fs.readSync(this.#file, target, offset, length, this.#readAt);
      this.#readAt += size;
      return size;
    }
    const chunk = this.#chunks[this.#chunk];
    if (chunk === undefined) return 0;
    const size = chunk.copy(target, offset, this.#readAt, this.#readAt + length);
    this.#readAt += size;
    if (this.#readAt === chunk.length) {
      this.#chunk += 1;
      this.#readAt = 0;
    }
    return size;
  }

  /** Gives back memory and file. */
  close() {
    if (this.#file !== null) fs.closeSync(this.#file);
    this.#file = null;
    this.#chunks = [];
  }
}

function openUnlinked(directory) {
  counter += 1;
  const name = path.join(directory, `copy-${process.pid}-${counter}`);
  const file = fs.openSync(name, 'wx+', 0o600);
  fs.unlinkSync(name);
  return file;
}

/** An empty spool directory. @param {string} directory */
export function prepareSpool(directory) {
  fs.rmSync(directory, { recursive: true, force: true });
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
}
