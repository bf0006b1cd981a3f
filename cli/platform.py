"""`rts-agents db roles` and `db import-platform`: life beside the platform's own tables and roles."""

import asyncio
from typing import Annotated

import asyncpg
import typer

from cli.settings import settings_with_database
from db.pools import database_errors
from db.roles import apply_roles, compose_roles


def register(app: typer.Typer) -> None:
    """Add the commands to `rts-agents db`."""
    app.command()(roles)


def roles(
    owner: Annotated[str, typer.Option(help="runs upgrades and owns our tables")] = "rts_agents_owner",
    application: Annotated[str, typer.Option(help="for serve and worker")] = "rts_agents_app",
    reader: Annotated[str, typer.Option(help="for charts on a standby")] = "rts_agents_reader",
    apply: Annotated[bool, typer.Option("--apply", help="run the statements instead of printing them")] = False,
) -> None:
    """Print, or run, what makes three roles with the least rights; as a superuser, before the first upgrade.

    The roles have no password: set one by ALTER ROLE. Running it again grants what is missing.

    Example: rts-agents db roles | psql -d platform
    """
    statements = asyncio.run(make_roles(settings_with_database().database_url, owner, application, reader, apply))
    typer.echo("\n".join(f"{statement};" for statement in statements))


async def make_roles(url: str, owner: str, application: str, reader: str, apply: bool) -> list[str]:
    """Return the statements, after running them if `apply`; raises DatabaseAwayError."""
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        statements = await compose_roles(connection, owner, application, reader)
        if apply:
            await apply_roles(connection, statements)
    finally:
        await connection.close()
    return statements
