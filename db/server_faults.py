"""Faults of the server itself: no workers for jobs, jobs that fail, a clock that differs, a restore without its end."""

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
# These pairs mark jobs as failed although they commit, and wait longer and longer for the next run.
BAD_PAIRS = {(170012, "2.29.2")}


class JobFault(msgspec.Struct, frozen=True):
    """A policy whose last run failed or that does not run; `next_start` in UTC."""

    job_id: int
    name: str
    next_start: datetime | None
    failed: bool | None
    failures: int | None
    late: bool | None


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


def _of_jobs(state: ServerState) -> Iterator[str]:
    if (state.postgres, state.timescaledb) in BAD_PAIRS:
        yield (
            f"PostgreSQL {state.postgres // 10_000}.{state.postgres % 100} with TimescaleDB {state.timescaledb} marks "
            "jobs as failed that committed, and runs them ever more seldom: upgrade TimescaleDB"
        )
    for job in state.jobs:
        after = f"next run {job.next_start:%Y-%m-%d %H:%M} UTC" if job.next_start else "no next run"
        if job.failed:
            yield (
                f"job {job.job_id} ({job.name}) failed, {job.failures} failures so far, {after}: its errors are in "
                "timescaledb_information.job_errors"
            )
        elif job.late:
            yield f"job {job.job_id} ({job.name}) does not run, it was due {after[9:]}: are there workers for it?"
