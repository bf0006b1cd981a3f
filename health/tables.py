"""Tables for people: levels with their sizes and freshness, and the storage policies."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rich.filesize import decimal
from rich.table import Table

from db.hypertables.policies import Level
from rollups.status import LevelStatus


def levels_table(
    levels: Sequence[LevelStatus], now: datetime, rows: Mapping[str, int] | None = None, title: str = "Levels"
) -> Table:
    """Return the levels as a table; `rows` adds exact row counts."""
    table = Table("level", title=title, title_justify="left")
    for name in (*(("rows",) if rows else ()), "size", "chunks", "in columnstore", "complete until"):
        table.add_column(name, justify="right")
    for status in levels:
        counted = (f"{rows[status.level.relation]:,}",) if rows else ()
        table.add_row(
            status.level.name, *counted, decimal(status.bytes), str(status.chunks), str(status.columnstore_chunks),
            freshness(status.watermark, now),
        )  # fmt: skip
    return table


def freshness(watermark: datetime | None, now: datetime) -> str:
    """Return how far a rollup is complete, in words; raw samples are always up to date."""
    if watermark is None:
        return "now"
    return f"{words(now - watermark)} ago" if watermark.year > 1970 else "not yet refreshed"


def policies_table(levels: Sequence[Level]) -> Table:
    table = Table("level", title="Policies", title_justify="left")
    for name in ("chunk", "columnstore after", "kept for", "refreshed every", "looks back"):
        table.add_column(name, justify="right")
    for level in levels:
        refresh = [words(value) if value else "-" for value in (level.refresh_every, level.refresh_from)]
        table.add_row(level.name, *(words(age) for age in (level.chunk, level.columnstore_after, level.keep)), *refresh)
    return table


def words(span: timedelta) -> str:
    """Return a span of time in its largest fitting unit: `28 d`, `90 min`."""
    seconds = round(span.total_seconds())
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * size or seconds == size:
            return f"{seconds / size:.3g} {unit}" if seconds % size else f"{seconds // size} {unit}"
    return f"{seconds} s"
