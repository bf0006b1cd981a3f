"""Rows in the platform's tables, written with those of our columns that a table has.

Platforms differ in their columns: what we would write is offered by name, the catalog decides. The statement is put
together by PostgreSQL itself (`rows.sql`), which quotes the names.
"""

from collections.abc import Mapping
from uuid import UUID

import asyncpg
import msgspec

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "rows.sql")


async def insert_row(connection: Connection, table: str, values: Mapping[str, object]) -> UUID | None:
    """Insert a row in a savepoint and return its id; None where there is no such table.

    Raises what the database refuses it with; the transaction stays usable.
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
    """Return the first line of what the database said, without DETAIL: that may show a row."""
    return (str(getattr(fault, "message", None) or fault).splitlines() or [repr(fault)])[0][:300]
