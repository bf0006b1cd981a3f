"""A refresh while another one computes the same buckets, as the scheduler of a real server does at any time."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import pytest

from core.clock import utc_now
from db.hypertables.policies import DAY, LEVELS
from rollups import refresh
from rollups.choose import bucket_start
from rollups.refresh import RefreshBusyError, refresh_range
from tests.databases import REAL_SERVER
from tests.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, refreshes take turns")
FIVE_MINUTES = LEVELS[1].relation
# TimescaleDB keeps here what is refreshed just now, of processes that are alive.
REGISTER = """
INSERT INTO _timescaledb_catalog.continuous_aggs_jobs_refresh_ranges
    (materialization_id, start_range, end_range, pid, job_id, created_at)
SELECT mat_hypertable_id, _timescaledb_functions.time_to_internal($2::timestamptz),
       _timescaledb_functions.time_to_internal($3::timestamptz), pg_backend_pid(), 0, now()
FROM _timescaledb_catalog.continuous_agg WHERE user_view_name = $1
"""
SAMPLE = "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) VALUES ($1, $2, $2, 50)"


@pytest.fixture
async def other(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection whose process is refreshing yesterday's buckets of five minutes, until it is closed."""
    opened = await asyncpg.connect(own_database, timeout=10)
    yesterday = bucket_start(utc_now(), DAY) - DAY
    await opened.execute(REGISTER, FIVE_MINUTES, yesterday, yesterday + timedelta(hours=1))
    yield opened
    await opened.close()


@pytest.fixture
async def yesterday(connection: asyncpg.Connection) -> datetime:
    """The beginning of yesterday, whose first minute has a sample."""
    begin = bucket_start(utc_now(), DAY) - DAY
    await connection.execute(SAMPLE, uuid4(), begin)
    return begin


async def test_it_waits_until_the_other_has_ended(
    connection: asyncpg.Connection, other: asyncpg.Connection, yesterday: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "PAUSE_SECONDS", 0.05)
    work = asyncio.create_task(refresh_range(connection, yesterday, yesterday, utc_now()))
    assert not (await asyncio.wait([work], timeout=1))[0]
    await other.close()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await work
    assert await connection.fetchval(f"SELECT sum(sample_count) FROM {FIVE_MINUTES}") == 1


async def test_it_ends_with_advice_when_the_other_does_not_end(
    connection: asyncpg.Connection, other: asyncpg.Connection, yesterday: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "PAUSE_SECONDS", 0.001)
    with pytest.raises(RefreshBusyError, match="run this again"):
        await refresh_range(connection, yesterday, yesterday, utc_now())
