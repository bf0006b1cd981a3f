"""Raw samples of a range as CSV or JSON lines, read through cursors: a long range is never in memory."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from core.metrics import METRICS
from db.pools import Connection
from db.sql import load_beside
from devices.export_trail import csv_line, safe_cell

QUERIES = load_beside(__file__, "export_samples.sql")
COLUMNS = ("device_id", "device_name", "hostname", "collected_at", *(metric.name for metric in METRICS))
ROWS_AT_ONCE = 5000
Format = Literal["csv", "jsonl"]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SampleRange:
    """Which samples: of one business and one device (None: of all), in [start, end) (UTC)."""

    start: datetime
    end: datetime
    business_id: UUID | None = None
    device_id: UUID | None = None


async def export_samples(connection: Connection, wanted: SampleRange, form: Format) -> AsyncIterator[str]:
    """Yield the samples as text, by device and time; CSV begins with the names of its columns."""
    write = WRITERS[form]
    if form == "csv":
        yield csv_line(COLUMNS)
    devices = await connection.fetch(
        *QUERIES.bind("exported_devices", tenant=wanted.business_id, device_id=wanted.device_id)
    )
    for device in devices:
        head = {
            "device_id": str(device["id"]), "device_name": device["device_name"], "hostname": device["hostname"]
        }  # fmt: skip
        select = QUERIES.bind(
            "exported_samples", tenant=wanted.business_id, device_id=device["id"], start=wanted.start,
            end=wanted.end,
        )  # fmt: skip
        async with connection.transaction(readonly=True):
            cursor = await connection.cursor(*select)
            while rows := await cursor.fetch(ROWS_AT_ONCE):
                yield "".join(write(head | row_values(dict(row))) for row in rows)


def row_values(row: Row) -> dict[str, Any]:
    """Return the values of a row, its time as text in UTC."""
    return dict(row) | {"collected_at": row["collected_at"].isoformat()}


def csv_row(row: Row) -> str:
    """Return one record of CSV; null is an empty cell, and no text runs as a formula."""
    cells = (row[name] for name in COLUMNS)
    return csv_line(["" if cell is None else safe_cell(cell) if isinstance(cell, str) else cell for cell in cells])


def json_line(row: Row) -> str:
    return json.dumps({name: row[name] for name in COLUMNS}, ensure_ascii=False) + "\n"


WRITERS: dict[Format, Callable[[Row], str]] = {"csv": csv_row, "jsonl": json_line}
