"""Statements of an erasure, which count, delete or change rows."""

from typing import Any

from db.pools import Connection


async def affected(connection: Connection, statement: str, *arguments: Any) -> int:
    """Run a count, a delete or an update and return its rows."""
    if statement.startswith("SELECT"):
        counted: int = await connection.fetchval(statement, *arguments)
        return counted
    status: str = await connection.execute(statement, *arguments)
    return int(status.rpartition(" ")[2])
