"""Imports devices and metrics from the platform's own agent tables into ours, day by day.

A day is a transaction, and existing rows are not changed: so an interrupted import continues, and a second one imports
newer rows. Retention of raw samples is paused meanwhile. Each day is rolled up after its import, so days older than the
retention of raw samples stay as rollups.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import ClassVar

from core.errors import RtsError
from core.metrics import METRICS
from db.hypertables.policies import LEVELS, MAX_SAMPLE_LEAD
from db.hypertables.values import read_values
from db.pools import Connection
from db.sql import load_beside
from rollups.choose import bucket_start
from rollups.refresh import refresh_level

QUERIES = load_beside(__file__, "platform_import.sql")
OWN_PLACE = [
    "id",
    "agent_device_id",
    "collected_at",
    "received_at",
    "raw_metrics",
    *(metric.name for metric in METRICS),
]


class NothingToImportError(RtsError):
    """The schema public has no agent_devices and agent_metrics beside ours: set RTS_SCHEMA as for the upgrade."""

    code: ClassVar[str] = "nothing_to_import"


@dataclass(frozen=True, slots=True)
class ImportedDevices:
    """The platform's devices: `found` is the sum of the others."""

    found: int
    deleted: int
    without_business: int
    here: int
    new: int


@dataclass(slots=True)
class Rows:
    """Rows of metrics: `found` is the sum of the others."""

    found: int = 0
    without_device: int = 0
    out_of_time: int = 0  # before 2020, or ahead of the clock
    repeated: int = 0  # the same device and time
    rolled_up: int = 0  # of days whose samples were dropped here after they were rolled up
    here: int = 0
    new: int = 0

    def add(self, other: "Rows") -> None:
        """Add the counts of another day."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


async def count_devices(connection: Connection) -> ImportedDevices:
    """Count the platform's devices; raises NothingToImportError."""
    if not await connection.fetchval(QUERIES["find_source"]):
        raise NothingToImportError
    row = await connection.fetchrow(QUERIES["count_devices"])
    assert row is not None
    return ImportedDevices(**dict(row))


async def list_days(connection: Connection) -> list[tuple[date, int]]:
    """Return the days (UTC) of the platform's metrics with their rows, the oldest first."""
    return [(row["day"], row["rows"]) for row in await connection.fetch(QUERIES["list_days"])]


async def count_day(connection: Connection, day: date, now: datetime) -> Rows:
    """Return the counts that an import of a day would have; nothing is changed."""
    begin, end = day_range(day)
    row = await connection.fetchrow(*QUERIES.bind("count_day", start=begin, end=end, latest=now + MAX_SAMPLE_LEAD))
    assert row is not None
    rows = Rows(**dict(row))
    rows.new = rows.found - rows.without_device - rows.out_of_time - rows.repeated - rows.here
    if rows.new and await is_dropped(connection, begin, end, now):
        rows.rolled_up, rows.new = rows.new, 0
    return rows


async def import_devices(connection: Connection) -> None:
    """Import the devices that aren't here."""
    await connection.execute(QUERIES["import_devices"])


async def import_days(
    connection: Connection, days: list[tuple[date, int]], now: datetime, *, extras: bool
) -> AsyncGenerator[tuple[date, Rows], None]:
    """Import each day and roll it up; yields the counts of its rows. `extras`: keep other columns in raw_metrics.

    Retention of raw samples is paused until the iterator ends or is closed.
    """
    await connection.fetchval(*QUERIES.bind("schedule_retention", scheduled=False))
    try:
        for day, _ in days:
            rows = await count_day(connection, day, now)
            if rows.new:
                rows.new = await import_day(connection, day, now, extras=extras)
            if rows.new or rows.here:
                await roll_up(connection, day, now)
            yield day, rows
    finally:
        await connection.fetchval(*QUERIES.bind("schedule_retention", scheduled=True))


async def import_day(connection: Connection, day: date, now: datetime, *, extras: bool) -> int:
    """Import a day's rows in one transaction; return how many were not here."""
    begin, end = day_range(day)
    done = await connection.execute(
        *QUERIES.bind(
            "import_day", start=begin, end=end, latest=now + MAX_SAMPLE_LEAD, keep_extras=extras, own_columns=OWN_PLACE
        )
    )
    return int(done.split()[-1])


async def roll_up(connection: Connection, day: date, now: datetime) -> None:
    """Refresh the levels of a day up to the age that their policies refresh; costs nothing if nothing has changed.

    Raises RefreshBusyError.
    """
    begin, end = day_range(day)
    if await is_dropped(connection, begin, end, now):
        return
    for level in LEVELS[1:]:
        assert level.refresh_to
        assert level.bucket
        until = min(end, bucket_start(now - level.refresh_to, level.bucket))
        if until > begin:
            await refresh_level(connection, level.relation, begin, until)


async def is_dropped(connection: Connection, begin: datetime, end: datetime, now: datetime) -> bool:
    """Return whether a refresh would lose rollups whose samples were dropped."""
    if now - begin <= (await read_values(connection)).level("raw").keep:
        return False
    return bool(await connection.fetchval(*QUERIES.bind("is_rolled_up", start=begin, end=end)))


def day_range(day: date) -> tuple[datetime, datetime]:
    """Return the begin and the end of a day, UTC."""
    begin = datetime.combine(day, time(), UTC)
    return begin, begin + timedelta(days=1)
