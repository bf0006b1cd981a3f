"""`rts-agents db tune`: recommended settings for the database server beside its present ones."""

import asyncio
import re
from typing import Annotated

import asyncpg
import typer
from rich.console import Console
from rich.table import Table

from api.server.connections import BESIDE_POOL
from core.settings import get_settings
from db.pools import database_errors
from db.server_advice import Machine, advise, pool_size

MEMORY = re.compile(r"(\d+)(MB|GB)", re.IGNORECASE)


def register(app: typer.Typer) -> None:
    """Add the command to `rts-agents db`."""
    app.command()(tune)


def tune(
    memory: Annotated[str, typer.Option(help="memory for the database: 1GB, 512MB")],
    cores: Annotated[int, typer.Option(min=1, help="cores for the database")],
    connections: Annotated[int, typer.Option(min=10, help="max_connections")] = 100,
    processes: Annotated[int, typer.Option(min=1, help="processes of `serve`, on all hosts")] = 2,
    databases: Annotated[int, typer.Option(min=1, help="databases with TimescaleDB on the server")] = 1,
) -> None:
    """Print settings for a database server of this size, beside those of the server of DATABASE_URL.

    It changes nothing. Compare with timescaledb-tune, which reads the machine but not the product's jobs and
    connections.

    Example: rts-agents db tune --memory 1GB --cores 2 --connections 30
    """
    machine = Machine(in_mib(memory), cores, connections, databases)
    url = get_settings().database_url
    has = asyncio.run(read_settings(url, [one.name for one in advise(machine)])) if url else {}
    table = Table()
    table.add_column("setting", no_wrap=True)  # a name that is cut off cannot be copied
    for heading in ("advice", "has now", "restart", "why"):
        table.add_column(heading)
    for one in advise(machine):
        table.add_row(one.name, one.value, has.get(one.name, "-"), "yes" if one.restart else "", one.why)
    Console().print(table)
    typer.echo(f"RTS_POOL_SIZE={pool_size(machine, processes, BESIDE_POOL)} for {processes} processes of `serve`.")


def in_mib(text: str) -> int:
    """Return an amount of memory in MiB; raises typer.BadParameter."""
    match = MEMORY.fullmatch(text.strip())
    if match is None or not int(match.group(1)):
        raise typer.BadParameter(f"{text} is not an amount of memory: write 512MB or 4GB")
    return int(match.group(1)) * (1024 if match.group(2).upper() == "GB" else 1)


async def read_settings(url: str, names: list[str]) -> dict[str, str]:
    """Return the server's values of these settings by name; raises DatabaseUnavailableError."""
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        settings = {name: await connection.fetchval("SELECT current_setting($1, true)", name) for name in names}
    finally:
        await connection.close()
    return {name: value for name, value in settings.items() if value is not None}
