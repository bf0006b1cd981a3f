"""The storage values in force, as the database has them: how long each level is kept, how far a refresh looks back.

`policies.py` has the values of a new installation, and all that no command changes. Code takes StorageValues and never
compares with its constants.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from db.hypertables.policies import HOUR, LEVELS, SERIES_LEVELS, SLACK, Level
from db.pools import CONNECTION_ERRORS, Connection
from db.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("values.sql"))
FOLLOW_SECONDS = 15.0
MIN_SAMPLE_AGE = 2 * HOUR  # even right after a repair that found next to no raw samples, uploads are taken
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StorageValues:
    """The levels of metrics and of series, raw first; `version` is the change that set them, 0 for none.

    `tenants` has the ages of businesses that differ, by level; `undeleted` the ages up to which rows must not be
    deleted yet: the longer one of the present and the former age.
    """

    metrics: tuple[Level, ...] = LEVELS
    series: tuple[Level, ...] = SERIES_LEVELS
    version: int = 0
    tenants: Mapping[UUID, Mapping[str, timedelta]] = field(default_factory=dict)
    undeleted: Mapping[UUID, Mapping[str, timedelta]] = field(default_factory=dict)

    @property
    def levels(self) -> tuple[Level, ...]:
        return *self.metrics, *self.series

    @property
    def steps(self) -> tuple[tuple[Level, Level], ...]:
        """Each rollup behind its source: (source, rollup)."""
        return *pairwise(self.metrics), *pairwise(self.series)

    @property
    def max_sample_age(self) -> timedelta:
        """Samples older than this are refused, because the refresh of the first rollup would not include them."""
        return max((self.metrics[1].refresh_from or timedelta()) - SLACK, MIN_SAMPLE_AGE)

    def drop_after(self, level: Level) -> timedelta:
        """Return the age at which chunks of a level are dropped: that of all, or the longest one of a business."""
        return max([level.keep, *(ages[level.name] for ages in self.undeleted.values() if level.name in ages)])

    def of(self, business_id: UUID | None) -> "StorageValues":
        ages = self.tenants.get(business_id) if business_id else None
        return with_values(self, ages, {}, self.version) if ages else self

    def level(self, name: str) -> Level:
        """Return the level of metrics of this name: `raw`, `5m`, `1h` or `1d`."""
        return next(level for level in self.metrics if level.name == name)


DEFAULTS = StorageValues()


def with_values(
    values: StorageValues, keep: Mapping[str, timedelta], refresh_from: Mapping[str, timedelta | None], version: int
) -> StorageValues:
    """Return `values` with other ages by level name."""

    def changed(level: Level) -> Level:
        back = refresh_from.get(level.name) or level.refresh_from
        return replace(level, keep=keep.get(level.name, level.keep), refresh_from=back)

    metrics, series = (tuple(changed(level) for level in family) for family in (values.metrics, values.series))
    return replace(values, metrics=metrics, series=series, version=version)


def longest_windows(
    keep: Mapping[str, timedelta], reach: Mapping[str, timedelta] | None = None
) -> dict[str, timedelta]:
    """Return by level how far its refresh may look back when levels are kept so long, at most as far as at first.

    A refresh ends before its source is dropped, and reaches a bucket further than that of its source, so that late data
    climbs to the top. `reach` bounds levels further.
    """
    windows: dict[str, timedelta] = {}
    above = timedelta.max
    for below, level in reversed([*pairwise(LEVELS)]):
        assert level.refresh_from
        assert level.refresh_to
        assert level.bucket
        longest = min(level.refresh_from, keep[below.name] - below.chunk - SLACK, above)
        longest = min(longest, (reach or {}).get(level.name, longest))
        windows[level.name] = max(longest, level.refresh_to + 2 * level.bucket)
        above = windows[level.name] - level.bucket
    return windows


async def read_values(connection: Connection | asyncpg.Pool) -> StorageValues:
    values = storage_values(await connection.fetch(QUERIES["read_values"]))
    tenants: dict[UUID, dict[str, timedelta]] = {}
    undeleted: dict[UUID, dict[str, timedelta]] = {}
    for row in await connection.fetch(QUERIES["read_tenants"]):
        if row["keep"] is not None:
            tenants.setdefault(row["business_id"], {})[row["level"]] = row["keep"]
        keep = row["keep"] or values.level(row["level"]).keep
        undeleted.setdefault(row["business_id"], {})[row["level"]] = max(keep, row["former_keep"] or keep)
    return replace(values, tenants=tenants, undeleted=undeleted)


def storage_values(rows: list[asyncpg.Record] | list[dict[str, Any]]) -> StorageValues:
    """Return the values for all that rows of `agent_storage_levels` give."""
    keep = {row["level"]: row["keep"] for row in rows}
    back = {row["level"]: row["refresh_from"] for row in rows}
    return with_values(DEFAULTS, keep, back, max((row["version"] or 0 for row in rows), default=0))


class CurrentValues:
    """The values in force for a process that serves: read at start and every 15 seconds, never by a request."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.now = DEFAULTS
        self._pool = pool
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the values, and again and again until `close`; raises what the driver raises."""
        self.now = await read_values(self._pool)
        self._task = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Stop reading."""
        if self._task:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def read(self) -> None:
        """Read the values now; while the database is unavailable those read last stay."""
        try:
            self.now = await read_values(self._pool)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            log.warning("the storage values cannot be read, the previous ones stay in force: %r", error)

    def max_sample_age(self) -> timedelta:
        """Return the age from which on samples are refused."""
        return self.now.max_sample_age

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(FOLLOW_SECONDS)
            await self.read()
