"""Refresh of the levels: the policies' jobs, run by the worker on a server without a scheduler; a guarded refresh.

TimescaleDB's own scheduler runs the policies on a real server. The embedded server has no background workers, so the
worker process runs the due jobs there, one at a time, the finest level first.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

import asyncpg

from core.errors import RtsError
from db.hypertables.policies import DAY, LEVELS, SERIES_LEVELS, SLACK, Level
from db.hypertables.values import read_values
from db.pools import Connection
from db.sql import load_beside
from rollups.choose import bucket_start
from rollups.drift import find_unsafe, read_storage

QUERIES = load_beside(__file__)
RELATIONS = [level.relation for level in (*LEVELS, *SERIES_LEVELS)]
# Refresh first, then columnstore, then retention: nothing is dropped or converted before it is rolled up.
ORDER = ("refresh", "columnstore", "retention")
# TimescaleDB refuses a refresh while another one, its scheduler's for example, computes some of the same buckets.
BUSY = (asyncpg.LockNotAvailableError, asyncpg.ObjectInUseError)
ATTEMPTS, PAUSE_SECONDS = 300, 1.0
log = logging.getLogger(__name__)


class RefreshBehindRetentionError(RtsError):
    """This refresh begins before the oldest data of its source: it would replace good rollups with nothing."""

    code: ClassVar[str] = "refresh_behind_retention"
    status: ClassVar[int] = 422


class RefreshBusyError(RtsError):
    """Other refreshes have been computing the same buckets for five minutes: run this again when they have ended."""

    code: ClassVar[str] = "refresh_busy"
    status: ClassVar[int] = 503


@dataclass(frozen=True, slots=True)
class Job:
    """One policy of one relation; `kind` is refresh, columnstore or retention."""

    job_id: int
    kind: str
    relation: str
    every: timedelta


async def list_jobs(connection: Connection) -> list[Job]:
    """Return the policies' jobs in the order in which they should run."""
    rows = await connection.fetch(*QUERIES.bind("list_policy_jobs", relations=RELATIONS))
    return in_order([Job(**dict(row)) for row in rows])


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs in the order in which they should run."""
    return sorted(jobs, key=lambda job: (ORDER.index(job.kind), RELATIONS.index(job.relation)))


async def without_unsafe(connection: Connection, jobs: Sequence[Job], now: datetime) -> list[Job]:
    """Return the jobs whose run destroys nothing; `watch_drift` pauses the others and reports the reason."""
    if not jobs:
        return []
    unsafe = {job.job_id for job, _ in await find_unsafe(connection, await read_storage(connection), now)}
    return [job for job in jobs if job.job_id not in unsafe]


class PolicyRunner:
    """Runs each job when its interval has passed since its last run by this process."""

    def __init__(self) -> None:
        self._last: dict[int, datetime] = {}

    async def run_due(self, connection: Connection, now: datetime) -> list[Job]:
        """Run the due jobs and return them; a job that fails is logged and tried again after its interval."""
        due = [job for job in await list_jobs(connection) if self._is_due(job, now)]
        due = await without_unsafe(connection, due, now)
        for job in due:
            self._last[job.job_id] = now
            await run_job(connection, job)
        return due

    def _is_due(self, job: Job, now: datetime) -> bool:
        last = self._last.get(job.job_id)
        return last is None or now - last >= job.every


async def run_job(connection: Connection, job: Job) -> None:
    """Run one policy in the foreground; a failure of the job itself is logged, not raised."""
    try:
        await connection.execute(*QUERIES.bind("run_job", job_id=job.job_id))
    except asyncpg.PostgresError as error:
        if isinstance(error, asyncpg.PostgresConnectionError):
            raise
        log.warning("%s of %s failed: %s", job.kind, job.relation, error)


async def refresh_range(connection: Connection, start: datetime, end: datetime, now: datetime) -> None:
    """Recompute every level over [start, end), rounded out to days.

    Buckets younger than a level's refresh_to are not refreshed, as by its policy, because they are still filling.
    Raises RefreshBehindRetentionError or RefreshBusyError.
    """
    first, last = bucket_start(start, DAY), bucket_start(end, DAY) + DAY
    for below, level in (await read_values(connection)).steps:
        assert level.bucket
        assert level.refresh_to
        guard(level, below, first, now)
        until = min(last, bucket_start(now - level.refresh_to, level.bucket))
        if until > first:
            await refresh_level(connection, level.relation, first, until)
    await connection.execute(*QUERIES.bind("forget_late", start=first, end=last, now=now))


async def refresh_level(connection: Connection, relation: str, start: datetime, end: datetime) -> None:
    """Recompute the changed buckets of one rollup in [start, end); waits while another refresh computes some of them.

    Raises RefreshBusyError after `ATTEMPTS`.
    """
    for _ in range(ATTEMPTS):
        try:
            await connection.execute(*QUERIES.bind("refresh_level", relation=relation, start=start, end=end))
        except BUSY:
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            return
    raise RefreshBusyError


def guard(level: Level, below: Level, start: datetime, now: datetime) -> None:
    """Raise RefreshBehindRetentionError if a refresh of `level` from `start` could meet dropped chunks of `below`."""
    earliest = now - (below.keep - below.chunk - SLACK)
    if start < earliest:
        raise RefreshBehindRetentionError(
            f"{level.relation} can be refreshed from {earliest:%Y-%m-%d} on: {below.relation} may be dropped before "
            "that, and the refresh would replace good rollups with nothing."
        )
