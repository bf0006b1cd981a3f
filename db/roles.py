"""Roles with least rights: the owner of the tables, the servers, readers of charts (statements: `roles.sql`)."""

from collections.abc import Sequence

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "roles.sql")


async def compose_roles(connection: Connection, owner: str, application: str, reader: str) -> list[str]:
    """Return the statements that create the three roles with their grants; a repeated run changes nothing.

    Objects of later upgrades get their grants by the owner's default privileges.
    """
    rows = await connection.fetch(*QUERIES.bind("compose_roles", owner=owner, application=application, reader=reader))
    return [row["statement"] for row in rows]


async def apply_roles(connection: Connection, statements: Sequence[str]) -> None:
    """Run them in one transaction; raises what the database refuses."""
    async with connection.transaction():
        for statement in statements:
            await connection.execute(statement)
