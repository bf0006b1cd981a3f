"""Is the schema the one that this code was written for? Checked at start."""

from typing import ClassVar

import asyncpg

from core.errors import RtsError
from db.migrations.run import head
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "schema_check.sql")


class SchemaNotMigratedError(RtsError):
    """The database's schema isn't the one that this version needs: run `rts-agents db upgrade`."""

    code: ClassVar[str] = "schema_not_migrated"
    status: ClassVar[int] = 503


async def check_schema(connection: Connection) -> None:
    """Raise SchemaNotMigratedError unless the newest revision is applied."""
    try:
        found = await connection.fetchval(QUERIES["read_revision"])
    except asyncpg.UndefinedTableError:
        found = None
    if found != head():
        raise SchemaNotMigratedError(
            f"The database is at revision {found or 'none'}, this version needs {head()}: run `rts-agents db upgrade`."
        )
