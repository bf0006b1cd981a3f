"""`rts-agents export`: raw samples of a range as CSV, JSON lines or Parquet."""

import asyncio
import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO
from uuid import UUID

import typer

from cli.connection import with_connection
from core.clock import utc_now
from db.pools import Connection
from devices.export_samples import SampleRange, export_samples


class ExportFormat(StrEnum):
    """The format of the file."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export)


def export(
    start: Annotated[datetime, typer.Option(help="the first time, UTC")],
    end: Annotated[datetime | None, typer.Option(help="the time after the last one, UTC; default: now")] = None,
    business: Annotated[UUID | None, typer.Option(help="only this business's devices")] = None,
    device: Annotated[UUID | None, typer.Option(help="only this device")] = None,
    form: Annotated[ExportFormat, typer.Option("--format", help="of the file")] = ExportFormat.CSV,
    to: Annotated[Path | None, typer.Option(help="a new file; default: standard output")] = None,
) -> None:
    """Export raw samples, by device and time. Memory holds one page of rows at a time.

    Example: rts-agents export --start 2026-05-01 --end 2026-06-01 --business 0b7f… --to may.csv
    """
    chosen = SampleRange(in_utc(start), in_utc(end) if end else utc_now(), business, device)
    if to is None:
        asyncio.run(with_connection(lambda connection: write(connection, chosen, form, sys.stdout.buffer)))
        return
    if to.exists():
        raise typer.BadParameter(f"{to} is there already: name a new file.")
    with to.open("xb") as file:
        to.chmod(0o600)
        asyncio.run(with_connection(lambda connection: write(connection, chosen, form, file)))


def in_utc(time: datetime) -> datetime:
    """Return a time of the command line, which has no time zone, as UTC."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


async def write(connection: Connection, chosen: SampleRange, form: ExportFormat, file: BinaryIO) -> None:
    async for part in export_samples(connection, chosen, form.value):
        file.write(part)
