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


class RestoreNotEndedError(RtsError):
    """A restore of this database was not ended: drop the database and restore again (docs/recovery.md)."""

    code: ClassVar[str] = "restore_not_ended"
    status: ClassVar[int] = 503


async def check_restored(connection: Connection) -> None:
    """Raise RestoreNotEndedError for a database in which a restore stopped before the revision was there."""
    is_being_restored = await connection.fetchval(QUERIES["is_being_restored"])
    if is_being_restored and await _read_revision(connection) is None:
        raise RestoreNotEndedError


async def check_schema(connection: Connection) -> None:
    """Raise SchemaNotMigratedError unless the newest revision is applied, or a newer one that serves this code.

    Raises RestoreNotEndedError where a restore has stopped halfway.
    """
    await check_restored(connection)
    revision = await _read_revision(connection)
    if revision == head():
        return
    if revision is not None and revision > head():
        await _check_newer(connection, revision)
    else:
        raise SchemaNotMigratedError(
            f"The database is at revision {revision or 'none'}, this version needs {head()}: "
            "run `rts-agents db upgrade`."
        )


async def _read_revision(connection: Connection) -> str | None:
    """Return the applied revision; None where there is none, or no table of revisions."""
    try:
        revision: str | None = await connection.fetchval(QUERIES["read_revision"])
    except asyncpg.UndefinedTableError:
        return None
    return revision


async def _check_newer(connection: Connection, revision: str) -> None:
    """Let older code start on a newer schema, so that code can be rolled back without the schema."""
    serves = await connection.fetchval(QUERIES["read_serves"])
    if serves not in code_revisions():
        raise SchemaNotMigratedError(
            f"The database is at revision {revision}, newer than this version's {head()}, and that revision serves "
            f"code from {serves or revision} on: run a newer version of the code."
        )
