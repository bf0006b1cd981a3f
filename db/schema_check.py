"""Checks at start that the schema fits this code."""

from typing import ClassVar

import asyncpg

from core.errors import RtsError
from db.migrations.run import code_revisions, head
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "schema_check.sql")


class SchemaNotMigratedError(RtsError):
    """The database's schema is not the one that this version needs: run `rts-agents db upgrade`."""

    code: ClassVar[str] = "schema_not_migrated"
    status: ClassVar[int] = 503


async def check_schema(connection: Connection) -> None:
    """Raise SchemaNotMigratedError unless the newest revision is applied, or a newer one that serves this code."""
    try:
        revision = await connection.fetchval(QUERIES["read_revision"])
    except asyncpg.UndefinedTableError:
        revision = None
    if revision == head():
        return
    if revision is not None and revision > head():
        await _check_newer(connection, revision)
    else:
        raise SchemaNotMigratedError(
            f"The database is at revision {revision or 'none'}, this version needs {head()}: "
            "run `rts-agents db upgrade`."
        )


async def _check_newer(connection: Connection, revision: str) -> None:
    """Let older code start on a newer schema, so that code can be rolled back without the schema."""
    serves = await connection.fetchval(QUERIES["read_serves"])
    if serves not in code_revisions():
        raise SchemaNotMigratedError(
            f"The database is at revision {revision}, newer than this version's {head()}, and that revision serves "
            f"code from {serves or revision} on: run a newer version of the code."
        )
