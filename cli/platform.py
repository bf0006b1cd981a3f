"""`rts-agents db roles` and `db import-platform`: roles, and the import of the platform's own agent tables."""

import asyncio
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from cli.connection import with_connection
from cli.settings import settings_with_database
from core.clock import utc_now
from db.pools import Connection, database_errors
from db.roles import apply_roles, compose_roles
from devices.platform_import import (
    ImportedDevices,
    Rows,
    count_day,
    count_devices,
    import_days,
    import_devices,
    list_days,
)


def register(app: typer.Typer) -> None:
    """Add the commands to `rts-agents db`."""
    app.command()(roles)
    app.command("import-platform")(import_platform)


def roles(
    owner: Annotated[str, typer.Option(help="runs upgrades and owns our tables")] = "rts_agents_owner",
    application: Annotated[str, typer.Option(help="for serve and worker")] = "rts_agents_app",
    reader: Annotated[str, typer.Option(help="for charts on a standby")] = "rts_agents_reader",
    apply: Annotated[bool, typer.Option("--apply", help="run the statements instead of printing them")] = False,
) -> None:
    """Print, or run, the statements that create three roles with least rights; as a superuser, before an upgrade.

    The roles have no password: set one by ALTER ROLE. A repeated run adds missing grants.

    Example: rts-agents db roles | psql -d platform
    """
    statements = asyncio.run(make_roles(settings_with_database().database_url, owner, application, reader, apply))
    typer.echo("\n".join(f"{statement};" for statement in statements))


async def make_roles(url: str, owner: str, application: str, reader: str, apply: bool) -> list[str]:
    """Return the statements, after running them if `apply`; raises DatabaseUnavailableError."""
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        statements = await compose_roles(connection, owner, application, reader)
        if apply:
            await apply_roles(connection, statements)
    finally:
        await connection.close()
    return statements


def import_platform(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="count only, write nothing")] = False,
    extras: Annotated[bool, typer.Option(help="keep columns that have no place of their own in raw_metrics")] = True,
) -> None:
    """Import devices and metrics from the platform's own agent tables (public.agent_*).

    Run it as the owner of the product's tables. It may be interrupted at any time; the next run continues. Each
    device then needs a registration token with its `agent_id`: docs/platform.md.

    Example: RTS_SCHEMA=rts rts-agents db import-platform --dry-run
    """
    devices, rows = asyncio.run(run_import(settings_with_database().database_url, dry_run, extras))
    console = Console()
    console.print(counts_table("devices" + (" (dry run)" if dry_run else ""), devices))
    console.print(counts_table("rows of metrics" + (" (dry run)" if dry_run else ""), rows))


async def run_import(url: str, dry_run: bool, extras: bool) -> tuple[ImportedDevices, Rows]:
    """Count or import everything, with a progress bar; raises NothingToImportError or DatabaseUnavailableError."""

    async def work(connection: Connection) -> tuple[ImportedDevices, Rows]:
        devices = await count_devices(connection)
        if not dry_run:
            await import_devices(connection)
        return devices, await go_through_days(connection, dry_run, extras)

    return await with_connection(work, url)


async def go_through_days(connection: Connection, dry_run: bool, extras: bool) -> Rows:
    """Count or import day by day."""
    days, total, now = await list_days(connection), Rows(), utc_now()
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("metrics", total=sum(rows for _, rows in days))
        if dry_run:
            for day, rows in days:
                total.add(await count_day(connection, day, now))
                progress.update(task, advance=rows, description=str(day))
            return total
        async for day, done in import_days(connection, days, now, extras=extras):
            total.add(done)
            progress.update(task, advance=done.found, description=str(day))
    return total


def counts_table(title: str, counts: ImportedDevices | Rows) -> Table:
    """Return the counts as a table whose lines add up to the first."""
    table = Table("", "count", title=title, title_justify="left")
    for name in counts.__slots__:
        table.add_row(name.replace("_", " "), f"{getattr(counts, name):,}")
    return table
