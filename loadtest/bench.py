"""`make bench`: benchmarks on DATABASE_URL or an embedded server; a table on screen, JSON in `loadtest/results/`."""

import asyncio
import json
import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import psycopg
import typer
from psycopg import sql
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import make_url

from db.embedded.server import EmbeddedServer
from db.migrations.run import upgrade
from loadtest.alert_pass import measure

RESULTS = Path(__file__).with_name("results")


def main(
    businesses: Annotated[int, typer.Option(help="businesses of the fleet")] = 1000,
    devices: Annotated[int, typer.Option(help="devices of each business")] = 10,
) -> None:
    """Measure one evaluation of all alert rules: one rule for each business, then ten.

    Example: DATABASE_URL=postgresql://… python -m loadtest.bench --businesses 1000
    """
    console = Console()
    with fresh_database() as (dsn, server), console.status(f"Filling a fleet of {businesses * devices:,} devices …"):
        upgrade(dsn)
        result = asyncio.run(measure(dsn, businesses, devices))
    result["machine"] = {"server": server, "cores": os.cpu_count(), "machine": platform.machine()}
    result["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"alert-pass-{server}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    console.print(table_of(result))
    console.print(
        f"ten rules a business take {result['ratio']} times as long as one, and {result['ratio_by_number_of_rules']} "
        f"times as long as ten rules for all, which read the same; written to {path}"
    )


def table_of(result: dict[str, Any]) -> Table:
    """Return the result as a table."""
    table = Table("given", "rules", "devices", "statements", "median s", "worst s", title="One alert pass")
    for row in result["results"]:
        table.add_row(*(f"{value:,}" if isinstance(value, int) else str(value) for value in row.values()))
    return table


@contextmanager
def fresh_database() -> Iterator[tuple[str, str]]:
    """Yield the URL of an empty database and what it is on: a new one on DATABASE_URL's server, or an embedded one."""
    url = os.environ.get("DATABASE_URL")
    if not url:
        with tempfile.TemporaryDirectory() as directory, EmbeddedServer(Path(directory) / "timescaledb") as server:
            yield server.dsn, "embedded"
        return
    name = f"rts_bench_{uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_url(url).set(database=name).render_as_string(hide_password=False), "server"
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


if __name__ == "__main__":
    typer.run(main)
