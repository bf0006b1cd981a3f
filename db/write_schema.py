"""`make schema`: writes `db/schema.sql` from a database that the revisions have just made."""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg

from db.migrations.run import upgrade
from db.pools import Connection
from db.schema_text import FILE, schema_text
from embedded.server import EmbeddedServer

Describe = Callable[[Connection], Awaitable[str]]


async def read(dsn: str, describe: Describe = schema_text) -> str:
    """Return a database as text: its schema, unless `describe` makes another text."""
    connection = await asyncpg.connect(dsn)
    try:
        return await describe(connection)
    finally:
        await connection.close()


def write(file: Path, describe: Describe) -> None:
    """Migrate an embedded database in a temporary folder and write its text."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(Path(folder) / "timescaledb", short_lived=True) as server,
    ):
        upgrade(server.dsn)
        file.write_text(asyncio.run(read(server.dsn, describe)))
    print(f"{file} is written")


if __name__ == "__main__":
    write(FILE, schema_text)
