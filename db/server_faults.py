"""Faults of the server itself: no workers for jobs, jobs that fail, a clock that differs, a restore without its end."""

import re
from collections.abc import Iterator
from datetime import datetime

import msgspec

from db.hypertables.policies import LEVELS, SERIES_LEVELS
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "server_faults.sql")
RELATIONS = [level.relation for level in (*LEVELS, *SERIES_LEVELS)]

MAX_CLOCK_OFFSET = 60.0  # seconds; samples ten minutes ahead are refused
JOBS_AT_ONCE = 8  # storage policies at once are plenty; more only share the disk
OTHER_PROCESSES = 3  # the launcher, logical replication, one to spare: the rule of timescaledb-tune
# From these releases of PostgreSQL on, TimescaleDB before the releases below marks jobs failed although they commit.
CHANGED_BY = {16: 16, 17: 12, 18: 7}
MENDED_IN = {(2, 27): 3, (2, 28): 4, (2, 31): 2, (2, 32): 1}


class JobFault(msgspec.Struct, frozen=True):
    """A policy whose last run failed or that does not run; times in UTC.

    `worked_at`: when our worker last ran it with success, None where that is long ago.
    """

    job_id: int
    name: str
    next_start: datetime | None
    failed: bool | None
    failures: int | None
    late: bool | None
    worked_at: datetime | None = None

    @property
    def is_failing(self) -> bool:
        """Whether its work is not done: the server marked it failed, and our worker has not run it with success."""
        return bool(self.failed) and self.worked_at is None


class ServerState(msgspec.Struct, frozen=True):
    """Settings of the server and its jobs with faults; `clock_offset_seconds` is this program's clock minus its own."""

    restoring: bool | None
    background_workers: int
    schedulers: int  # running, one for each database with TimescaleDB
    worker_processes: int
    parallel_workers: int
    sees_sessions: bool
    postgres: int
    timescaledb: str | None
    embedded: bool
    clock_offset_seconds: float
    jobs_run_by_worker: int = 0  # since the beginning, because the server had marked them failed
    jobs: list[JobFault] = []

    @property
    def job_slots(self) -> int:
        """How many jobs of TimescaleDB can run at once beside the schedulers."""
        return self.background_workers - self.schedulers


async def read_server_state(connection: Connection, now: datetime) -> ServerState:
    """Read settings and jobs; `now` is this program's clock (UTC), read just before."""
    row = await connection.fetchrow(*QUERIES.bind("describe_jobs_and_settings", now=now))
    assert row is not None
    jobs = [] if row["embedded"] else await connection.fetch(*QUERIES.bind("list_jobs", relations=RELATIONS))
    return ServerState(**dict(row), jobs=[JobFault(**dict(job)) for job in jobs])


def server_faults(state: ServerState) -> list[str]:
    """Return a sentence for each fault, with what to do; empty where the server is well."""
    return [*_of_clock(state), *_of_restore(state), *_of_workers(state), *_of_jobs(state)]


def _of_clock(state: ServerState) -> Iterator[str]:
    offset = state.clock_offset_seconds
    if abs(offset) > MAX_CLOCK_OFFSET:
        where = "ahead of" if offset > 0 else "behind"
        yield (
            f"this machine's clock is {abs(offset):.0f} s {where} the database's: set both by NTP, or samples are "
            "refused or count as late"
        )


def _of_restore(state: ServerState) -> Iterator[str]:
    if state.restoring:
        yield "a restore was not ended, no job runs: SELECT timescaledb_post_restore(), then compare with the backup"


def _of_workers(state: ServerState) -> Iterator[str]:
    if state.embedded:
        return
    if state.background_workers > 0 and state.job_slots < 1:
        yield (
            f"timescaledb.max_background_workers is {state.background_workers}, and {state.schedulers} schedulers run: "
            f"none is left for jobs; set it to {state.schedulers + JOBS_AT_ONCE} and restart"
        )
    needed = state.background_workers + state.parallel_workers + OTHER_PROCESSES
    if state.worker_processes < needed:
        yield (
            f"max_worker_processes is {state.worker_processes}, but background and parallel workers together need "
            f"{needed}: jobs may not start; set it to {needed} and restart"
        )
    if not state.sees_sessions:
        yield "this role does not see other sessions: GRANT pg_read_all_stats to it (docs/platform.md)"


def marks_jobs_failed(postgres: int, timescaledb: str | None) -> bool:
    """Whether this pair marks jobs failed that committed, and so runs them ever more seldom; `postgres` as 170012."""
    if timescaledb is None or postgres % 100 < CHANGED_BY.get(postgres // 10_000, 100):
        return False
    major, minor, patch = [*map(int, re.findall(r"\d+", timescaledb)), 0, 0][:3]
    if (major, minor) > max(MENDED_IN):
        return False
    mended = MENDED_IN.get((major, minor))
    return mended is None or patch < mended


def _of_jobs(state: ServerState) -> Iterator[str]:
    if marks_jobs_failed(state.postgres, state.timescaledb):
        yield (
            f"PostgreSQL {state.postgres // 10_000}.{state.postgres % 100} with TimescaleDB {state.timescaledb} marks "
            "jobs as failed that committed, and delays them: the worker runs them meanwhile; upgrade TimescaleDB"
        )
    for job in state.jobs:
        yield from _of_job(job)


def _of_job(job: JobFault) -> Iterator[str]:
    name = f"job {job.job_id} ({job.name})"
    when = f"{job.next_start:%Y-%m-%d %H:%M} UTC" if job.next_start else "never"
    if job.is_failing:
        yield (
            f"{name} failed, {job.failures} failures so far, next run {when}: its errors are in "
            "timescaledb_information.job_errors"
        )
    elif job.failed:
        yield (
            f"{name} is marked failed, {job.failures} times so far, but works: the worker ran it at "
            f"{job.worked_at:%Y-%m-%d %H:%M} UTC and goes on; see timescaledb_information.job_errors"
        )
    elif job.late:
        yield f"{name} did not run when it was due {when}: is a background worker free?"
