"""The schema `grafana` and the roles that read it: what `rts-agents grafana` runs.

It is not part of the migrations: installations without Grafana need no such schema, and creating roles takes rights
that an upgrade does not have. A repeated run updates it to the newest version.
"""

from typing import ClassVar
from uuid import UUID

import asyncpg

from core.errors import RtsError
from db.pools import Connection
from db.sql import load_beside

SCHEMA = load_beside(__file__, "schema.sql")
QUERIES = load_beside(__file__, "roles.sql")


class GrafanaSchemaError(RtsError):
    """The schema `grafana` cannot be created or does not exist."""

    code: ClassVar[str] = "grafana_schema"


class GrafanaRoleError(RtsError):
    """This role cannot be used for Grafana."""

    code: ClassVar[str] = "grafana_role"


async def install(connection: Connection) -> None:
    """Make or renew the schema, its views, functions and the group `rts_grafana`, all or nothing.

    Raises GrafanaSchemaError where a schema `grafana` is there that isn't this one, or where rights are missing.
    """
    place = await connection.fetchrow(QUERIES["describe_place"])
    if place is None or (place["is_there"] and not place["is_ours"]):
        raise GrafanaSchemaError("A schema `grafana` of another program is in this database: rename that one.")
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["search_ours_first"])
            await run_composed(connection, "compose_place", owner=place["owner"])
            for statement in SCHEMA.values():
                await connection.execute(statement)
    except asyncpg.InsufficientPrivilegeError as error:
        raise GrafanaSchemaError(f"Run this as a superuser: {error}.") from error


async def allow(connection: Connection, role: str, business_id: UUID | None) -> None:
    """Let a role see one business (None: all); makes it where it isn't there.

    Raises GrafanaSchemaError, GrafanaRoleError.
    """
    await check_installed(connection)
    description = await connection.fetchrow(*QUERIES.bind("describe_role", role=role))
    if description and description["is_there"] and not description["is_ours"]:
        raise GrafanaRoleError(
            f"The role {role} exists and was not created by `rts-agents grafana role`: choose another name."
        )
    if (
        business_id is not None
        and await connection.fetchval(*QUERIES.bind("find_business", business_id=business_id)) is None
    ):
        raise GrafanaRoleError(f"No business has the id {business_id}.")
    try:
        async with connection.transaction():
            await run_composed(connection, "compose_role", role=role)
            await connection.execute(*QUERIES.bind("allow_role", role=role, business_id=business_id))
    except (asyncpg.InsufficientPrivilegeError, asyncpg.ReservedNameError) as error:
        raise GrafanaRoleError(f"The role cannot be created: {error}.") from error


async def remove(connection: Connection, role: str) -> None:
    """End a role that `allow` made; raises GrafanaSchemaError, GrafanaRoleError."""
    await check_installed(connection)
    description = await connection.fetchrow(*QUERIES.bind("describe_role", role=role))
    if not description or not description["is_ours"]:
        raise GrafanaRoleError(f"No role {role} reads for Grafana: `rts-agents grafana roles` lists them.")
    async with connection.transaction():
        await connection.execute(*QUERIES.bind("forget_role", role=role))
        await run_composed(connection, "compose_removal", role=role)


async def list_roles(connection: Connection) -> list[asyncpg.Record]:
    """Return the roles by name with the business that each sees; raises GrafanaSchemaError."""
    await check_installed(connection)
    return await connection.fetch(QUERIES["list_roles"])


async def check_installed(connection: Connection) -> None:
    """Raise GrafanaSchemaError where the schema isn't there."""
    place = await connection.fetchrow(QUERIES["describe_place"])
    if place is None or not place["is_ours"]:
        raise GrafanaSchemaError("The schema does not exist: run `rts-agents grafana install` first.")


async def run_composed(connection: Connection, name: str, **names: str) -> None:
    """Run the statements that a query composes with quoted names."""
    for row in await connection.fetch(*QUERIES.bind(name, **names)):
        await connection.execute(row["statement"])
