"""Exports the audit trail as JSON lines or CSV, page by page, so that memory does not grow with it."""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from typing import Any, Literal

import asyncpg

from devices.audit import TrailFilter, read_trail

PAGE = 1000
COLUMNS = (
    "id", "at", "actor_kind", "actor_id", "actor_name", "source", "action", "agent_id", "command_id", "details",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # spreadsheets run a cell that begins with one of these
Format = Literal["jsonl", "csv"]


async def export_trail(pool: asyncpg.Pool, only: TrailFilter, form: Format) -> AsyncIterator[str]:
    """Yield the rows of the trail that fit, newest first, as text; no connection is held between two pages."""
    write = WRITERS[form]
    if form == "csv":
        yield csv_line(COLUMNS)
    before: int | None = None
    while rows := await read_trail(pool, only, before, PAGE):
        yield "".join(write(row) for row in rows)
        before = rows[-1]["id"]
        if len(rows) < PAGE:
            return


def json_line(row: dict[str, Any]) -> str:
    """Return a row as one line of JSON; times are UTC."""
    plain = format_row(row) | {"id": row["id"], "details": json.loads(row["details"])}
    return json.dumps(plain, ensure_ascii=False) + "\n"


def csv_row(row: dict[str, Any]) -> str:
    """Return a row as one record of CSV; null is an empty cell."""
    return csv_line([safe_cell(text or "") for text in format_row(row).values()])


def format_row(row: dict[str, Any]) -> dict[str, str | None]:
    """Return the columns of a row as texts; an empty one is None."""
    values = row | {"at": row["at"].isoformat()}
    return {name: None if values[name] is None else str(values[name]) for name in COLUMNS}


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text


def csv_line(cells: Any) -> str:
    """Return one record of CSV with its end of line."""
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()


WRITERS: dict[Format, Callable[[dict[str, Any]], str]] = {"jsonl": json_line, "csv": csv_row}
