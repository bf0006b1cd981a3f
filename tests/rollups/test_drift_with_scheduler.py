"""Policies changed by SQL on a server whose own scheduler runs the jobs: rollups stay, and the worker pauses them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from core.clock import utc_now
from core.settings import Settings
from db.hypertables.policies import DAY
from db.migrations.run import upgrade
from rollups.drift import read_storage
from tests.databases import REAL_SERVER, fresh_database
from tests.rollups.test_drift import rolled_up, shorten_by_sql, store_weeks
from worker.run import run_worker

pytestmark = pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has no scheduler")
WITHIN = 30  # seconds; the test waits longer, because a busy machine is no fault
WORKERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ 'worker'"
PAUSED = "SELECT NOT scheduled FROM agent_storage_jobs() WHERE relation = 'agent_metrics_5m' AND kind = 'refresh'"


@pytest.fixture
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(tmp_path_factory.mktemp("scheduler")) as url:
        upgrade(url)
        yield url


async def polled(connection: asyncpg.Connection, query: str, *arguments: object) -> AsyncIterator[Any]:
    """Yield what a query returns, again and again."""
    while True:
        yield await connection.fetchval(query, *arguments)
        await asyncio.sleep(0.2)


async def run_by_scheduler(connection: asyncpg.Connection, relation: str, kind: str) -> None:
    """Let TimescaleDB's scheduler run a job now; returns when it has ended well once more."""
    job = (await read_storage(connection)).policies[relation, kind].job_id
    count = "SELECT COALESCE((SELECT total_successes FROM timescaledb_information.job_stats WHERE job_id = $1), 0)"
    before = await connection.fetchval(count, job)
    await connection.execute("SELECT alter_job($1, next_start => now())", job)
    async with asyncio.timeout(120):
        async for ended in polled(connection, count, job):
            if ended > before:
                return


async def test_the_scheduler_refreshes_after_raw_was_cut_and_no_bucket_is_lost(connection: asyncpg.Connection) -> None:
    before = await store_weeks(connection)
    await shorten_by_sql(connection)
    await run_by_scheduler(connection, "agent_metrics", "retention")
    assert await connection.fetchval("SELECT min(collected_at) FROM agent_metrics") > utc_now() - 9 * DAY
    for level in ("5m", "1h", "1d"):
        await run_by_scheduler(connection, f"agent_metrics_{level}", "refresh")
    assert await rolled_up(connection) == before


async def test_a_running_worker_pauses_an_unsafe_refresh_within_half_a_minute(
    own_database: str, connection: asyncpg.Connection
) -> None:
    stop = asyncio.Event()
    worker = asyncio.create_task(run_worker(Settings(database_url=own_database), stop))
    try:
        async for seen in polled(connection, WORKERS):
            if seen:
                break
        await shorten_by_sql(connection)
        changed = utc_now()
        async with asyncio.timeout(4 * WITHIN):
            async for paused in polled(connection, PAUSED):
                if paused:
                    break
        print(f"paused after {(utc_now() - changed).total_seconds():.1f} s")
    finally:
        stop.set()
        await worker
    assert (await read_storage(connection)).policies["agent_metrics_1h", "refresh"].scheduled
