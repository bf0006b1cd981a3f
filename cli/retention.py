"""`rts-agents retention`: what is kept for how long, as the database has it, and its repair."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import asyncpg
import typer
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table

from cli.settings import settings_with_database
from core.clock import utc_now
from db.pools import Connection, database_errors
from db.schema_check import check_schema
from health.tables import words
from rollups.drift import QUERIES, Drift, Storage, find_drift, read_storage
from rollups.repair import repair
from rollups.status import LevelStatus, read_status

app = typer.Typer(help="Retention: what is kept for how long, and its repair.", no_args_is_help=True)
T = TypeVar("T")


@app.command()
def show() -> None:
    """Show each level's retention as the database has it, its oldest chunk, size, and what differs from our values.

    Exit status 1 when anything differs. Example: rts-agents retention show
    """
    now = utc_now()
    target, levels, storage, drifts = asyncio.run(with_connection(lambda one: read_all(one, now)))
    console = Console()
    console.print(f"target {target}", highlight=False)
    console.print(retention_table(levels, storage))
    for drift in drifts:
        mark = "UNSAFE, the worker pauses it" if drift.unsafe else "differs"
        console.print(f"! {mark}: {drift.sentence}", highlight=False, soft_wrap=True)
    if drifts:
        console.print("`rts-agents retention repair` puts our values back.", highlight=False)
        raise typer.Exit(1)


@app.command("repair")
def put_back(
    database: Annotated[str, typer.Option(help="name of the database, to confirm")],
) -> None:
    """Put our retention back, and schedule each refresh only as far back as its source still has chunks.

    Dropped chunks do not come back, but rollups over them stay. Run it again when the source has grown: it widens the
    window. Example: rts-agents retention repair --database rts
    """
    for line in asyncio.run(with_connection(lambda one: repair_named(one, database))):
        typer.echo(line)


async def read_all(connection: Connection, now: datetime) -> tuple[str, list[LevelStatus], Storage, list[Drift]]:
    """Return target, levels, policies and what differs."""
    target: str = await connection.fetchval(QUERIES["read_target"])
    return target, await read_status(connection), await read_storage(connection), await find_drift(connection, now)


async def repair_named(connection: Connection, database: str) -> list[str]:
    """Repair the policies if this is the database of that name; raises typer.BadParameter otherwise."""
    target: str = await connection.fetchval(QUERIES["read_target"])
    if target.rpartition("/")[2] != database:
        raise typer.BadParameter(f"this is {target}, not a database named {database}")
    async with connection.transaction():
        return await repair(connection, utc_now()) or ["Nothing to repair."]


def retention_table(levels: list[LevelStatus], storage: Storage) -> Table:
    """Return what each level keeps; times in UTC."""
    table = Table("level", title="Retention", title_justify="left")
    for name in ("kept for", "oldest chunk", "next drop", "on disk", "in columnstore"):
        table.add_column(name, justify="right")
    for status in levels:
        job = storage.policies.get((status.level.relation, "retention"))
        keep = job.drop_after if job and job.scheduled else None
        oldest = storage.oldest.get(status.level.relation)
        drop = f"{oldest + status.level.chunk + keep:%Y-%m-%d}" if oldest and keep else "-"
        table.add_row(
            status.level.name, words(keep) if keep else "for ever", f"{oldest:%Y-%m-%d}" if oldest else "-", drop,
            decimal(status.bytes), f"{status.columnstore_chunks} of {status.chunks}",
        )  # fmt: skip
    return table


async def with_connection(work: Callable[[Connection], Awaitable[T]]) -> T:
    """Return what `work` returns; raises DatabaseUnavailableError or SchemaNotMigratedError."""
    with database_errors():
        connection = await asyncpg.connect(settings_with_database().database_url, timeout=10)
    try:
        await check_schema(connection)
        return await work(connection)
    finally:
        await connection.close()
