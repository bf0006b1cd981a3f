"""What revisions make, as text: the schema and its storage policies.

`make release` writes it for the newest revision; `tests/db/test_released_revisions.py` compares each file with what the
revisions make today.
"""

import asyncio
import tempfile
from pathlib import Path

import asyncpg

from db.migrations.run import head, upgrade
from db.pools import Connection
from db.schema_text import schema_text
from db.sql import load_beside
from embedded.server import EmbeddedServer

QUERIES = load_beside(__file__, "release_snapshot.sql")
RELEASED = Path(__file__).parents[1] / "tests" / "db" / "released"


async def snapshot(connection: Connection) -> str:
    """Return the schema of a migrated database, with its policies as comments at the end."""
    policies = sorted(row["line"] for row in await connection.fetch(*QUERIES.bind("list_policies")))
    return "\n".join([(await schema_text(connection)).rstrip(), "", *(f"-- {line}" for line in policies), ""])


async def read(dsn: str) -> str:
    """Return the snapshot of the database at `dsn`."""
    connection = await asyncpg.connect(dsn)
    try:
        return await snapshot(connection)
    finally:
        await connection.close()


def main() -> None:
    """Migrate an embedded database in a temporary folder and write its snapshot under the newest revision's name."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder) / "timescaledb") as server:
        upgrade(server.dsn)
        file = RELEASED / f"{head()}.sql"
        file.write_text(asyncio.run(read(server.dsn)))
    print(f"{file} is written")


if __name__ == "__main__":
    main()
