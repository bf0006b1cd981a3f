"""The result of a benchmark, as JSON with its settings and the machine, and as a table on screen."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from rich.console import Console
from rich.table import Table

from loadtest.machine import describe_machine

RESULTS = Path(__file__).parents[1] / "results"
MAX_COLUMNS = 4  # that a terminal of 80 characters shows whole


async def write_result(connection: asyncpg.Connection, name: str, kind: str, result: dict[str, Any]) -> Path:
    """Write `loadtest/results/<name>-<kind>.json` and return its path; `kind` is `embedded` or `server`."""
    described = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "machine": await describe_machine(connection)}
    path = RESULTS / f"{name}-{kind}.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(result | described, indent=2) + "\n")
    return path


def show(console: Console, title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows as a table: a column for each, a line for each figure, since there are more figures than rows.

    More rows than fit side by side make up another table.
    """
    for start in range(0, len(rows), MAX_COLUMNS):
        some = rows[start : start + MAX_COLUMNS]
        table = Table("", *("" for _ in some), title=None if start else title, title_justify="left", show_header=False)
        for name in rows[0]:
            table.add_row(name.replace("_", " "), *(format_value(row[name]) for row in some))
        console.print(table)


def format_value(value: Any) -> str:
    """Return a value as text."""
    return f"{value:,}" if isinstance(value, int | float) else str(value)
