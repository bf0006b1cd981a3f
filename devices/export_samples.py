"""Exports raw samples of a range as CSV, JSON lines or Parquet, page by page, so that memory does not grow with it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

import asyncpg

from core.errors import RtsError
from core.metrics import METRICS
from db.pools import CONNECTION_ERRORS, Connection
from db.sql import load_beside
from devices.export_parquet import ParquetWriter
from devices.export_trail import csv_line, safe_cell

QUERIES = load_beside(__file__, "export_samples.sql")
COLUMNS = ("device_id", "device_name", "hostname", "collected_at", *(metric.name for metric in METRICS))
ROWS_AT_ONCE = 5000
PAGES_AT_ONCE = 2  # of all exports of a process: others keep the rest of the pool
Format = Literal["csv", "jsonl", "parquet"]
Row = Mapping[str, Any]

NAMED = 20  # devices in the sentence of an error

log = logging.getLogger(__name__)
_turns = asyncio.Semaphore(PAGES_AT_ONCE)


class ExportIncompleteError(RtsError):
    """Samples of some devices cannot be read; the file has all others."""

    code: ClassVar[str] = "export_incomplete"
    status: ClassVar[int] = 500


@dataclass(frozen=True, slots=True)
class SampleRange:
    """Which samples: of one business and one device (None: of all), in [start, end) (UTC).

    `business_id` is the tenant of the reader: measurements from before a device was theirs are left out.
    `only_business` narrows that to one business.
    """

    start: datetime
    end: datetime
    business_id: UUID | None = None
    device_id: UUID | None = None
    only_business: UUID | None = None


async def export_samples(
    source: asyncpg.Pool | Connection, chosen: SampleRange, form: Format
) -> AsyncIterator[bytes]:  # fmt: skip
    """Yield the file in parts, by device and time; no connection of a pool is held between two pages.

    CSV begins with the names of its columns. Raises ParquetMissingError, before the first part, and
    ExportIncompleteError after the last one: a device that can't be read stops no other.
    """
    unread: list[str] = []
    async for part in _export_parts(source, chosen, form, unread):
        yield part
    if unread:
        more = f" and {len(unread) - NAMED} more" if len(unread) > NAMED else ""
        raise ExportIncompleteError(
            f"The file lacks samples of {len(unread)} devices that cannot be read: {', '.join(unread[:NAMED])}{more}. "
            "The database's log has the reason."
        )


async def _export_parts(
    source: asyncpg.Pool | Connection, chosen: SampleRange, form: Format, unread: list[str]
) -> AsyncIterator[bytes]:
    if form == "parquet":
        writer = ParquetWriter(COLUMNS)
        async for page in export_pages(source, chosen, unread):
            yield writer.add(page)
        yield writer.end()
        return
    write = WRITERS[form]
    if form == "csv":
        yield csv_line(COLUMNS).encode()
    async for page in export_pages(source, chosen, unread):
        yield "".join(map(write, page)).encode()


async def export_pages(
    source: asyncpg.Pool | Connection, chosen: SampleRange, unread: list[str]
) -> AsyncIterator[list[dict[str, Any]]]:
    """Yield the rows in pages of one device each; `collected_at` is a time in UTC.

    The ids of devices that can't be read, or not to their end, are added to `unread`.
    """
    devices = await source.fetch(
        *QUERIES.bind(
            "exported_devices", tenant=chosen.business_id, device_id=chosen.device_id, business_id=chosen.only_business
        )
    )
    for device in devices:
        try:
            async for page in _device_pages(source, chosen, dict(device)):
                yield page
        except asyncpg.PostgresError as error:
            if isinstance(error, CONNECTION_ERRORS):
                raise
            log.error("samples of the device %s cannot be exported: %s", device["id"], error)
            unread.append(str(device["id"]))


async def _device_pages(
    source: asyncpg.Pool | Connection, chosen: SampleRange, device: Mapping[str, Any]
) -> AsyncIterator[list[dict[str, Any]]]:
    head = {
        "device_id": str(device["id"]), "device_name": device["device_name"], "hostname": device["hostname"]
    }  # fmt: skip
    since, is_after = chosen.start, False
    while True:
        select = QUERIES.bind(
            "exported_samples", tenant=chosen.business_id, device_id=device["id"], start=since, end=chosen.end,
            is_after=is_after, page=ROWS_AT_ONCE,
        )  # fmt: skip
        async with _turns:
            rows = await source.fetch(*select)
        if rows:
            yield [head | dict(row) for row in rows]
            since, is_after = rows[-1]["collected_at"], True
        if len(rows) < ROWS_AT_ONCE:
            return


def csv_row(row: Row) -> str:
    """Return one record of CSV; null is an empty cell, and no text runs as a formula."""
    cells = (row[name] for name in COLUMNS)
    return csv_line([format_cell(cell) for cell in cells])


def format_cell(cell: Any) -> Any:
    """Return a value for CSV: times in UTC, text without formulas, objects as JSON."""
    if isinstance(cell, datetime):
        return cell.isoformat()
    return "" if cell is None else safe_cell(cell) if isinstance(cell, str) else cell


def json_line(row: Row) -> str:
    """Return one line of JSON, its time as text in UTC."""
    plain = {name: row[name] for name in COLUMNS} | {"collected_at": row["collected_at"].isoformat()}
    return json.dumps(plain, ensure_ascii=False) + "\n"


WRITERS: dict[Format, Callable[[Row], str]] = {"csv": csv_row, "jsonl": json_line}
