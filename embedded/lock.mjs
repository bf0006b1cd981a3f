/**
 * One server per data directory. The lock is a local socket whose name is made from the directory's device and
 * inode: the operating system gives it up when the process dies, however it dies, so a lock is never stale.
 * A process that finds it taken connects to it and reads the owner's process id for a clear message.
 *
 * On Linux the name is in the abstract name space. Elsewhere (and with a Node before 20.9, which cannot do that)
 * it is a file in the temporary directory, which is removed if no process answers on it.
 */
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

/** Another server uses the directory. */
export class DirectoryInUse extends Error {
  rtsCode = 'data_directory_in_use';
}

/** Takes the lock, for as long as this process lives. @param {string} directory must exist */
export async function lockDirectory(directory) {
  const name = socketName(directory);
  if (await tryListen(name)) return;
  const pid = await askOwner(name);
  if (pid === null && !name.startsWith('\0')) {
    fs.rmSync(name, { force: true });
    if (await tryListen(name)) return;
  }
  throw new DirectoryInUse(
    `Data directory ${directory} is in use by process ${pid ?? 'unknown'}: stop that server, or use another directory.`,
  );
}

function socketName(directory) {
  const { dev, ino } = fs.statSync(directory);
  const name = `rts-embedded-timescaledb-${dev}-${ino}`;
  return process.platform === 'linux' && nodeAtLeast(20, 9) ? `\0${name}` : path.join(os.tmpdir(), `${name}.sock`);
}

function nodeAtLeast(major, minor) {
  const [ours, oursMinor] = process.versions.node.split('.').map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

function tryListen(name) {
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.end(String(process.pid));
  });
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error) => (error.code === 'EADDRINUSE' ? resolve(false) : reject(error)));
    server.listen(name, () => resolve(true));
  });
}

function askOwner(name) {
  return new Promise((resolve) => {
    let answer = '';
    const socket = net.connect(name);
    socket.setTimeout(2000, () => socket.destroy());
    socket.on('data', (chunk) => (answer += chunk));
    socket.on('error', () => {});
    socket.on('close', () => resolve(/^\d+$/.test(answer) ? Number(answer) : null));
  });
}
