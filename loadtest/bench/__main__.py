"""`make bench`: each benchmark on a fresh database of DATABASE_URL's server, or on an embedded one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated

import asyncpg
import typer
from rich.console import Console

from db.migrations.run import upgrade
from db.pools import SERVER_SETTINGS
from loadtest.bench import (
    alert_pass,
    bulk,
    charts,
    decode,
    gateway,
    life,
    memory,
    pages,
    peers,
    series,
    sustained,
    uploads,
)
from loadtest.bench.report import write_result
from loadtest.databases import LoadDatabase, fresh_database

# Takes a migrated, empty database and the console, and returns the result as JSON.
Benchmark = Callable[[LoadDatabase, Console], Awaitable[dict[str, object]]]
BENCHMARKS: dict[str, Benchmark] = {
    "uploads": uploads.run, "bulk": bulk.run, "charts": charts.run, "sustained": sustained.run,
    "alert-pass": alert_pass.run, "life": life.run, "memory": memory.run, "pages": pages.run,
    "series": series.run, "decode": decode.run, "gateway": gateway.run, "peers": peers.run,
}  # fmt: skip


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"which: {', '.join(BENCHMARKS)}; all when none")] = None,
) -> None:
    """Measure, show tables, and write `loadtest/results/<benchmark>-<embedded|server>.json`.

    Example: DATABASE_URL=postgresql://… python -m loadtest.bench alert-pass
    """
    unknown = set(names or ()) - BENCHMARKS.keys()
    if unknown:
        raise typer.BadParameter(f"{', '.join(unknown)}: there are {', '.join(BENCHMARKS)}")
    console = Console()
    for name in names or BENCHMARKS:
        with fresh_database() as database:
            upgrade(database.dsn)
            asyncio.run(measure(name, database, console))


async def measure(name: str, database: LoadDatabase, console: Console) -> None:
    """Run one benchmark and keep its result."""
    result = await BENCHMARKS[name](database, console)
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    try:
        path = await write_result(connection, name, database.kind, result)
    finally:
        await connection.close()
    console.print(f"written to {path}\n")


if __name__ == "__main__":
    typer.run(main)
