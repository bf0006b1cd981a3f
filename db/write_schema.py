"""`make schema`: writes `db/schema.sql` from a database that the revisions have just made."""

import asyncio
import tempfile
from pathlib import Path

import asyncpg

from db.migrations.run import upgrade
from db.schema_text import FILE, schema_text
from embedded.server import EmbeddedServer


async def read(dsn: str) -> str:
    """Return the schema of a database."""
    connection = await asyncpg.connect(dsn)
    try:
        return await schema_text(connection)
    finally:
        await connection.close()


def main() -> None:
    """Migrate an embedded database in a temporary folder and write its schema."""
    with tempfile.TemporaryDirectory() as folder, EmbeddedServer(Path(folder) / "timescaledb") as server:
        upgrade(server.dsn)
        FILE.write_text(asyncio.run(read(server.dsn)))
    print(f"{FILE} is written")


if __name__ == "__main__":
    main()
