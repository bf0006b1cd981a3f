"""Is the schema the one that this code was written for? Checked at start."""

from typing import ClassVar

import asyncpg

from core.errors import RtsError
from db.migrations.run import head, known
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "schema_check.sql")


class SchemaNotMigratedError(RtsError):
    """The database's schema isn't the one that this version needs: run `rts-agents db upgrade`."""

    code: ClassVar[str] = "schema_not_migrated"
    status: ClassVar[int] = 503


async def check_schema(connection: Connection) -> None:
    """Raise SchemaNotMigratedError unless the newest revision is applied, or a newer one that serves this code."""
    try:
        found = await connection.fetchval(QUERIES["read_revision"])
    except asyncpg.UndefinedTableError:
        found = None
    if found == head():
        return
    if found is not None and found > head():
        await _check_newer(connection, found)
    else:
        raise SchemaNotMigratedError(
            f"The database is at revision {found or 'none'}, this version needs {head()}: run `rts-agents db upgrade`."
        )


async def _check_newer(connection: Connection, found: str) -> None:
    """Let older code start on a newer schema, so that code can be rolled back without the schema."""
    serves = await connection.fetchval(QUERIES["read_serves"])
    if serves not in known():
        raise SchemaNotMigratedError(
            f"The database is at revision {found}, newer than this version's {head()}, and that revision serves code "
            f"from {serves or found} on: run a newer version of the code."
        )
