/**
 * Entry of the embedded TimescaleDB: real TimescaleDB compiled to WebAssembly, spoken to over PostgreSQL's
 * wire protocol on the loopback address, so that every PostgreSQL client works with it unchanged.
 *
 *   node server.mjs --data-dir DIR --port N [--password-file F] [--exit-with-parent]
 *                   [--idle-in-transaction-seconds S] [--copy-memory-bytes B]
 *
 * Standard output carries exactly one line: {"ready":true,"port":N,"pid":N} or {"error":{"code","message"}}.
 * What a real server does and this one does not:
 *   - One statement runs at a time, for all clients, to its end: no cancelling, no statement_timeout.
 *   - Autovacuum and TimescaleDB's background workers do not exist: VACUUM, ANALYZE and CALL run_job are up to
 *     the application. (Checkpoints are done, see checkpoints.mjs.)
 *   - There is one database, whatever name a client asks for, and one user, the superuser.
 *   - Of what belongs to a session, statements, SET and LISTEN are kept apart per client; temporary tables, cursors
 *     WITH HOLD, session-level advisory locks, set_config(…, false) and currval() are shared by all.
 *   - Runaway recursion and some out-of-memory situations kill the process. Committed rows are kept.
 *   - A power failure may lose commits (a killed process does not): fsync does not reach the disk.
 *   - A COPY FROM STDIN is the only statement of its query, and its data is read when it is complete.
 *
 * This file checks the Node version before it imports anything, in syntax that old versions can parse.
 *
 * Who calls whom: main (start, stop) → session (one client) → turns (whose turn it is) → postgres (the WASM).
 */
const NEEDED_MAJOR = 20;

/** Prints in one line why the server cannot start, and ends the process. */
function fail(code, message) {
  process.stdout.write(JSON.stringify({ error: { code: code, message: message } }) + '\n', function () {
    process.exit(1);
  });
}

if (Number(process.versions.node.split('.')[0]) < NEEDED_MAJOR) {
  fail(
    'node_too_old',
    'Node ' + process.versions.node + ' is too old: install Node ' + NEEDED_MAJOR + ' or newer.',
  );
} else {
  import('./main.mjs')
    .then(function (module) {
      return module.main(process.argv.slice(2));
    })
    .catch(function (error) {
      if (error.code === 'ERR_MODULE_NOT_FOUND') {
        fail(
          'embedded_packages_missing',
          'The npm packages of embedded/ are missing: run `make setup`, or `npm ci --prefix embedded`.',
        );
      } else {
        process.stderr.write(String(error.stack || error) + '\n');
        fail(error.rtsCode || 'embedded_start_failed', error.message);
      }
    });
}
