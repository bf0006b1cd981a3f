"""The state of retention: age, size, growth and next drop of each level; waiting changes, holds, differences."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.hypertables.policies import Level
from db.pools import Connection
from retention.changes import list_changes
from retention.growth import Growth, read_growth
from retention.holds import list_holds
from retention.records import RecordAge, read_record_ages
from retention.tenants import list_tenants
from rollups.drift import QUERIES, Drift, StorageState, find_drift, read_storage
from rollups.status import LevelStatus, read_status


@dataclass(frozen=True, slots=True)
class LevelRetention:
    """The state of a level. Sizes in bytes, `growth` in bytes a day, times in UTC, None for unknown values."""

    status: LevelStatus
    keep: timedelta
    growth: float | None
    next_drop: datetime | None
    held: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything that `rts-agents retention show` prints; `full_in` is None for never or unknown."""

    target: str
    version: int
    levels: list[LevelRetention]
    records: list[RecordAge]
    growth: Growth
    full_in: timedelta | None
    max_sample_age: timedelta
    waiting: list[dict[str, Any]]
    holds: list[dict[str, Any]]
    tenants: list[dict[str, Any]]
    drifts: list[Drift]


async def read_overview(connection: Connection, now: datetime, disk_bytes: int) -> Overview:
    """Return the state of retention; `disk_bytes` is the size of the database's disk, 0 if unknown."""
    storage, growth = await read_storage(connection), await read_growth(connection, now)
    levels = [_level(status, storage, growth) for status in await read_status(connection)]
    return Overview(
        await connection.fetchval(QUERIES["read_target"]), storage.values.version, levels,
        await read_record_ages(connection), growth,
        growth.full_in(disk_bytes), storage.values.max_sample_age,
        [row for row in await list_changes(connection) if row["state"] == "waiting"],
        [row for row in await list_holds(connection) if row["released_at"] is None],
        await list_tenants(connection),
        await find_drift(connection, now),
    )  # fmt: skip


def _level(status: LevelStatus, storage: StorageState, growth: Growth) -> LevelRetention:
    level = status.level
    return LevelRetention(
        status, level.keep, growth.per_day.get(level.relation), _next_drop(level, status, storage), storage.held
    )


def _next_drop(level: Level, status: LevelStatus, storage: StorageState) -> datetime | None:
    job = storage.policies.get((level.relation, "retention"))
    if not status.oldest or not job or not job.scheduled or not job.drop_after:
        return None
    return status.oldest + level.chunk + job.drop_after
