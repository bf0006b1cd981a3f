"""Writes rows to the platform's tables, in those of our columns that a table has.

Platforms differ in their columns, so PostgreSQL's catalog selects among the named values. PostgreSQL itself composes
the statement (`rows.sql`) and quotes the names.
"""

from collections.abc import Mapping
from uuid import UUID

import asyncpg
import msgspec

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "rows.sql")


async def insert_row(connection: Connection, table: str, values: Mapping[str, object]) -> UUID | None:
    """Insert a row in a savepoint and return its id; None if there is no such table.

    Raises the database's error if it refuses the row; the transaction stays usable.
    """
    statement = await connection.fetchval(*QUERIES.bind("compose_insert", table=table, columns=list(values)))
    if statement is None:
        return None
    async with connection.transaction():
        row_id: UUID = await connection.fetchval(statement, msgspec.json.encode(values).decode())
        return row_id


async def update_row(connection: Connection, table: str, row_id: UUID, values: Mapping[str, object]) -> None:
    """Set those of the columns that the table has."""
    statement = await connection.fetchval(*QUERIES.bind("compose_update", table=table, columns=list(values)))
    if statement is not None:
        await connection.execute(statement, msgspec.json.encode(values).decode(), row_id)


def primary_message(fault: asyncpg.PostgresError | Exception) -> str:
    """Return the first line of the database's message, without DETAIL, which may contain row values."""
    return (str(getattr(fault, "message", None) or fault).splitlines() or [repr(fault)])[0][:300]
