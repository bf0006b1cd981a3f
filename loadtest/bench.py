"""`make bench`: benchmarks on DATABASE_URL or an embedded server; a table on screen, JSON in `loadtest/results/`."""

import asyncio
import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from db.migrations.run import upgrade
from loadtest.alert_pass import measure
from loadtest.databases import fresh_database

RESULTS = Path(__file__).with_name("results")


def main(
    businesses: Annotated[int, typer.Option(help="businesses of the fleet")] = 1000,
    devices: Annotated[int, typer.Option(help="devices of each business")] = 10,
) -> None:
    """Measure one evaluation of all alert rules: one rule for each business, then ten.

    Example: DATABASE_URL=postgresql://… python -m loadtest.bench --businesses 1000
    """
    console = Console()
    with fresh_database() as database, console.status(f"Filling a fleet of {businesses * devices:,} devices …"):
        upgrade(database.dsn)
        result = asyncio.run(measure(database.dsn, businesses, devices))
    result["machine"] = {"server": database.kind, "cores": os.cpu_count(), "machine": platform.machine()}
    result["at"] = datetime.now(UTC).isoformat(timespec="seconds")
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"alert-pass-{database.kind}.json"
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


if __name__ == "__main__":
    typer.run(main)
