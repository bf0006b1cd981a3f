"""Thousands of devices with a past: every level holds what charts read of it, written directly.

A year of five minutes for 10,000 devices is a billion rows, and no chart of 800 points reads them: 24 hours come from
5m, 7 and 30 days from 1h, a year from 1d, the end of each from raw samples. So for all devices 5m goes back 2 days, 1h
32 days, 1d 367 days, raw to where 1d ends: in time order, as refreshes write it. Some devices, among them the one that
is measured, have all that is kept, so that there are as many chunks as on a site of a year's age.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg
from rich.status import Status

from db.hypertables.policies import DAY, HOUR, LEVELS, MINUTE, RAW, Level
from db.sql import load_beside
from loadtest.bench.clean import empty, pause_policies
from rollups.choose import bucket_start
from rollups.drift import read_storage
from rollups.refresh import Job, run_job

QUERIES = load_beside(__file__, "charts.sql")
FLEET = load_beside(__file__, "fleet.sql")
ROWS_AT_ONCE = 500_000
FIVE = 5 * MINUTE
YEAR = 367 * DAY
# How far back each level goes for all devices: the longest chart that reads it, and some buckets before it for rates.
DEPTHS = {"5m": 2 * DAY, "1h": 32 * DAY, "1d": YEAR}


@dataclass(frozen=True, slots=True)
class Backfill:
    """The written rows by level, and the age in hours of the oldest raw samples of all devices."""

    rows: dict[str, int]
    raw_hours: float


@dataclass(frozen=True, slots=True)
class Filling:
    """One fleet that is being filled."""

    connection: asyncpg.Connection
    devices: int
    whole: int  # devices with all that is kept
    now: datetime
    status: Status

    def end(self, level: Level) -> datetime:
        """Return until when a level is rolled up, or the end of the newest five minutes for raw."""
        if level.bucket is None or level.refresh_to is None:
            return bucket_start(self.now, FIVE)
        return bucket_start(self.now - level.refresh_to, level.bucket)

    async def fill(self, level: Level, since: datetime, whole_since: datetime) -> int:
        """Write a level: for the first devices from `whole_since`, for all from `since`; return the rows."""
        few = min(self.whole, self.devices)
        rows = 0
        if few:
            rows = await self._fill(level, bucket_start(whole_since, DAY), bucket_start(since, DAY), few)
        return rows + await self._fill(level, bucket_start(since, DAY), self.end(level), self.devices)

    async def _fill(self, level: Level, since: datetime, until: datetime, devices: int) -> int:
        rows, width = 0, level.bucket or FIVE
        for begin, end in pieces(since, until, max(1, ROWS_AT_ONCE // devices) * width):
            done = await self.connection.execute(
                *QUERIES.bind(f"add_{level.name}", start=begin, end=end, devices=devices)
            )
            rows += int(done.split()[-1])
            self.status.update(f"Filling {level.relation} of {devices:,} devices: {rows:,} rows …")
        return rows


async def write_past(
    connections: Sequence[asyncpg.Connection], devices: int, whole: int, now: datetime, status: Status
) -> Backfill:
    """Replace all devices by new ones, ten to a business, with a past until `now`.

    The connections write different levels at the same time.
    """
    connection = connections[0]
    await pause_policies(connection)
    await empty(connection)
    each = min(10, devices)
    await connection.execute(*FLEET.bind("add_businesses", businesses=devices // each))
    await connection.execute(*FLEET.bind("add_devices", devices_each=each, now=now))
    await connection.execute(QUERIES["make_buckets"])
    filling = Filling(connection, devices, whole, now, status)
    waiting = [*LEVELS[1:], RAW]
    rows: dict[str, int] = {}
    await asyncio.gather(*(fill_waiting(replace(filling, connection=one), waiting, rows) for one in connections))
    status.update("Refreshing, columnstore, VACUUM …")
    await refresh_ends(filling)
    await connection.execute("VACUUM ANALYZE")
    return Backfill(rows, round((now - filling.end(LEVELS[-1])) / HOUR, 1))


async def fill_waiting(filling: Filling, waiting: list[Level], rows: dict[str, int]) -> None:
    """Write levels that wait until none is left; note the rows of each."""
    while waiting:
        level = waiting.pop(0)
        if level.bucket is None:  # raw begins where the coarsest level ends, which is the first to end
            since, whole_since = filling.end(LEVELS[-1]), filling.now - RAW.keep + DAY
        else:
            since = filling.now - DEPTHS[level.name]
            whole_since = min(since, filling.now - min(level.keep, YEAR))
        rows[level.name] = await filling.fill(level, since, whole_since)


async def refresh_ends(filling: Filling) -> None:
    """Compute each level's last bucket from the one below, which sets TimescaleDB's watermark; then convert."""
    connection = filling.connection
    for level in LEVELS[1:]:
        assert level.bucket
        until = filling.end(level)
        await connection.execute(
            *QUERIES.bind("refresh_level", relation=level.relation, start=until - level.bucket, end=until)
        )
    for (relation, kind), policy in (await read_storage(connection)).policies.items():  # they are paused
        if kind == "columnstore":
            await run_job(connection, Job(policy.job_id, kind, relation, policy.every))


def pieces(since: datetime, until: datetime, step: timedelta) -> Iterator[tuple[datetime, datetime]]:
    """Yield the parts of a range."""
    while since < until:
        yield since, min(since + step, until)
        since += step
