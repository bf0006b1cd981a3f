"""`rts-agents db`: schema, checks, status, and the embedded server."""

import asyncio
import signal
from pathlib import Path
from typing import Annotated

import asyncpg
import typer
from rich.console import Console

from alerts.tickets.fit import find_misfits
from cli.health_tables import fleet_table, server_table
from cli.settings import settings_with_database
from core.clock import utc_now
from db.backup.saved import current_revision
from db.environment import confirm_target, set_mark
from db.migrations import run as migrations
from db.migrations.run import WAIT_SECONDS
from db.migrations.steps import upgrade_target
from db.missing_parts import find_missing
from db.pooler_check import check_session
from db.pools import database_errors
from db.schema_check import check_restored, check_schema
from db.server_check import ServerFacts, check_server, check_writable, describe_server
from db.server_faults import read_server_state, server_faults
from devices.audit_chain import find_breaks
from embedded.server import EmbeddedServer
from health.faults import find_faults
from health.fleet import FleetHealth, read_fleet
from health.tables import levels_table, policies_table
from rollups.drift import find_drift

ENDING = {signal.SIGINT, signal.SIGTERM}
SEALS_CHECKED = 100  # the newest of the audit trail; `audit verify` reads all
TIMEOUTS = {"statement_timeout": "15s"}  # a blocked database is an answer too
LOOK_EVERY_SECONDS = 0.5  # whether the embedded server is still there

app = typer.Typer(
    help="The database: schema, checks, state, backups, and an embedded one to try.\n\nExample: rts-agents db check",
    no_args_is_help=True,
)


@app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="revision to reach")] = "head",
    wait: Annotated[float, typer.Option(help="longest wait for locks that others hold, in seconds")] = WAIT_SECONDS,
    database: Annotated[str, typer.Option(help="name of the database, required where it is marked production")] = "",
) -> None:
    """Bring the schema up to date; the platform's own tables are not touched.

    It waits less than a second for each lock and tries again, so that no other session waits longer.

    Example: DATABASE_URL=postgresql://… rts-agents db upgrade
    """
    settings = settings_with_database()
    url = settings.database_url
    asyncio.run(connect_and_check(url))
    confirm_target(url, database, settings.environment)
    target = upgrade_target(current_revision(url), revision)
    migrations.upgrade(url, target, wait=wait, say=print_blockers)
    typer.echo(f"The schema is at {target}.")


@app.command()
def mark(
    environment: Annotated[str, typer.Argument(help="production, another word, or none to remove the mark")],
) -> None:
    """Mark this database: if it is marked production, upgrade and downgrade require its name, demo and load refuse it.

    The mark is a setting of the database: a dump does not carry it, so a restored copy is not marked.

    Example: rts-agents db mark production
    """
    mark = None if environment == "none" else environment
    target = asyncio.run(set_mark(settings_with_database().database_url, mark))
    typer.echo(
        f"The database {target.name} is marked {target.mark}."
        if target.mark
        else f"The database {target.name} has no mark."
    )


def print_blockers(text: str) -> None:
    """Print the lock that an upgrade waits for."""
    typer.echo(text, err=True)


@app.command()
def check() -> None:
    """Check whether this server and its schema can run the product, and print what to do if not.

    Example: DATABASE_URL=postgresql://… rts-agents db check
    """
    settings = settings_with_database()
    server = asyncio.run(connect_and_check(settings.database_url, schema=True))
    misfits = asyncio.run(read_misfits(settings.database_url, settings.ticket_client))
    drifts = asyncio.run(read_drift(settings.database_url))  # and what a restore has left out
    kind = "embedded" if server.embedded else "server"
    runs = "its own scheduler runs the policies" if server.scheduler else "the worker runs the policies"
    verdict = f"Misfits of the platform: {len(misfits)}." if misfits else "All is well."
    if drifts:
        verdict = f"Faults: {len(drifts) + len(misfits)}."
    typer.echo(f"PostgreSQL {server.postgres // 10_000}, TimescaleDB {server.timescaledb} ({kind}); {runs}. {verdict}")
    for fault in (*drifts, *misfits):
        typer.echo(f"! {fault}")
    if misfits or drifts:
        raise typer.Exit(1)


@app.command()
def status() -> None:
    """Show the state of levels, fleet and server, and their faults; exit status 1 if there are any.

    /metrics has the same values; docs/operations.md explains each of them and what to do.

    Example: DATABASE_URL=postgresql://… rts-agents db status
    """
    fleet = asyncio.run(read_health(settings_with_database().database_url))
    console = Console()
    console.print(levels_table(fleet.levels, fleet.at), policies_table([status.level for status in fleet.levels]))
    console.print(levels_table(fleet.series_levels, fleet.at, title="Levels of series (disks, interfaces, sensors)"))
    console.print(fleet_table(fleet.facts, fleet.at), server_table(fleet.facts, fleet.at))
    faults = find_faults(fleet)
    for fault in faults:
        console.print(f"[red]![/red] {fault}", highlight=False)
    if faults:
        raise typer.Exit(1)


@app.command()
def embedded(
    data_dir: Annotated[Path, typer.Option(help="folder of the database; created if absent")] = Path(
        ".rts/timescaledb"
    ),
    port: Annotated[int, typer.Option(help="port on 127.0.0.1; 0: a free one")] = 5433,
) -> None:
    """Run the embedded TimescaleDB until Ctrl-C and print its DATABASE_URL; for trials and tests, not for production.

    Example: rts-agents db embedded --port 5433
    """
    with EmbeddedServer(data_dir, port=port) as server:
        typer.echo(f"DATABASE_URL={server.dsn}")
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)  # between two waits too; the server has started without it
        while signal.sigtimedwait(ENDING, LOOK_EVERY_SECONDS) is None:
            server.check()


async def connect_and_check(url: str, *, schema: bool = False) -> ServerFacts:
    """Return the server's version, extensions and settings, after checking them.

    Raises DatabaseUnavailableError, UnsuitableServerError, UnsuitablePoolerError, RestoreNotEndedError or
    SchemaNotMigratedError.
    """
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        server = await describe_server(connection)
        if not (server.timescaledb is None and server.available and not schema):  # upgrade creates the extension
            check_server(server)
        check_writable(server)
        await (check_schema if schema else check_restored)(connection)
    finally:
        await connection.close()
    await check_session(url, server)
    return server


async def read_misfits(url: str, client: str) -> list[str]:
    """Return the faults of the platform's tables that prevent tickets; raises DatabaseUnavailableError."""
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        return await find_misfits(connection, client, utc_now())
    finally:
        await connection.close()


async def read_drift(url: str) -> list[str]:
    """Return a sentence for each fault of the server, missing part, changed policy, and break in the newest trail.

    Raises DatabaseUnavailableError.
    """
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10, server_settings=TIMEOUTS)
    try:
        drifts = [drift.advice for drift in await find_drift(connection, utc_now())]
        breaks = [fault async for fault in find_breaks(connection, SEALS_CHECKED)]
        server = server_faults(await read_server_state(connection, utc_now()))
        return [*server, *await find_missing(connection), *drifts, *breaks]
    finally:
        await connection.close()


async def read_health(url: str) -> FleetHealth:
    """Return the fleet's health; raises DatabaseUnavailableError or SchemaNotMigratedError."""
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10, server_settings=TIMEOUTS)
    try:
        await check_schema(connection)
        return await read_fleet(connection, utc_now())
    finally:
        await connection.close()
