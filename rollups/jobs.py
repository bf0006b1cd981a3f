"""The jobs that keep the levels: when each ran last, how that ended, when it runs next."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from db.hypertables.policies import LEVELS
from db.pools import Connection
from db.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("jobs.sql"))


@dataclass(frozen=True, slots=True)
class JobStatus:
    """One job; times in UTC, None where the scheduler has never run it (the embedded server has none)."""

    name: str
    last_run_at: datetime | None
    last_status: str | None
    next_run_at: datetime | None
    runs: int | None
    failures: int | None


async def read_jobs(connection: Connection) -> list[JobStatus]:
    """Return the jobs on our relations, in the order of their names."""
    rows = await connection.fetch(*QUERIES.bind("describe_jobs", relations=[level.relation for level in LEVELS]))
    return [JobStatus(**row) for row in rows]


async def count_late_devices(connection: Connection) -> int:
    """Return how many devices have charts that read raw samples for late data."""
    count: int = await connection.fetchval(QUERIES["count_late_devices"])
    return count
