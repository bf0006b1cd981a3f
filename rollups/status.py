"""The state of the levels: sizes, chunks, and freshness, which decides whether they are healthy.

A job's last status does not decide: some server versions mark every job failed although its work is committed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from db.hypertables.policies import Level
from db.hypertables.values import read_values
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__)
# A refresh may be late by this many of its intervals before it counts as stale.
LAG_PERIODS = 3


@dataclass(frozen=True, slots=True)
class LevelStatus:
    """The state of one level; sizes in bytes, times in UTC, None where there is nothing yet."""

    level: Level
    bytes: int
    chunks: int
    columnstore_chunks: int
    oldest: datetime | None
    oldest_rowstore: datetime | None
    watermark: datetime | None
    newest: datetime | None  # time of the newest sample of all devices
    since: datetime | None = None  # when the first device came: before it there was nothing to roll up

    @property
    def allowed_lag(self) -> timedelta | None:
        """How far this rollup may be behind; None for raw samples, which never are."""
        if self.level.bucket is None or self.level.refresh_to is None or self.level.refresh_every is None:
            return None
        return self.level.refresh_to + self.level.bucket + LAG_PERIODS * self.level.refresh_every

    def lag(self, now: datetime) -> timedelta | None:
        """Return how far this rollup is behind the newest sample; zero before the first sample, None for raw."""
        if self.watermark is None:
            return None
        complete = max(self.watermark, self.since or self.watermark)
        return max(timedelta(), min(now, self.newest or complete) - complete)

    @property
    def allowed_rowstore_age(self) -> timedelta:
        """How old the oldest rowstore chunk may be."""
        return self.level.columnstore_after + 2 * self.level.chunk + timedelta(days=1)

    def rowstore_age(self, now: datetime) -> timedelta | None:
        """Return how long ago the oldest chunk that isn't in the columnstore began."""
        return None if self.oldest_rowstore is None else now - self.oldest_rowstore

    def faults(self, now: datetime) -> list[str]:
        """Return a sentence for each fault of this level; empty if it is healthy."""
        return [fault for fault in (self._stale(now), self._rowstore(now)) if fault]

    def _stale(self, now: datetime) -> str | None:
        lag, allowed = self.lag(now), self.allowed_lag
        if lag is None or allowed is None or lag <= allowed:
            return None
        return f"{self.level.relation} is {lag} behind, {allowed} is normal: is the worker (or the scheduler) running?"

    def _rowstore(self, now: datetime) -> str | None:
        age = self.rowstore_age(now)
        if age is None or age <= self.allowed_rowstore_age:
            return None
        return f"{self.level.relation} has a rowstore chunk of {self.oldest_rowstore:%Y-%m-%d}: no columnstore job runs"


async def read_status(connection: Connection) -> list[LevelStatus]:
    """Return the state of every level of metrics, raw first."""
    levels = (await read_values(connection)).metrics
    return await read_levels(connection, levels)


async def read_series_status(connection: Connection) -> list[LevelStatus]:
    """Return the state of every level of series, raw first.

    The newest sample of a device may have no series, so their lag is not judged.
    """
    levels = (await read_values(connection)).series
    return [replace(status, newest=None, since=None) for status in await read_levels(connection, levels)]


async def read_levels(connection: Connection, levels: Sequence[Level]) -> list[LevelStatus]:
    """Return the state of some levels."""
    rows = await connection.fetch(*QUERIES.bind("describe_levels", relations=[level.relation for level in levels]))
    jobs = {row["relation"]: row for row in rows}
    return [LevelStatus(level, *(jobs[level.relation][name] for name in LevelStatus.__slots__[1:])) for level in levels]


async def count_rows(connection: Connection) -> dict[str, int]:
    """Return the exact rows of each level, by relation; slow on a large database."""
    row = await connection.fetchrow(QUERIES["count_rows"])
    assert row is not None
    return dict(row)
