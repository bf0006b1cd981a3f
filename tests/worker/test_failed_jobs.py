"""Jobs that TimescaleDB marked failed and delays: the worker runs them, nobody runs them twice at once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import datetime, timedelta
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from core.clock import utc_now
from core.settings import Settings
from db.hypertables.policies import HOUR
from db.pools import Connection
from db.server_faults import read_server_state, server_faults
from health.fleet import read_fleet
from health.fleet_metrics import fleet_metrics
from rollups.failed_jobs import QUERIES, TASK, run_delayed
from rollups.refresh import Job, list_jobs
from tests.databases import REAL_SERVER, as_admin, migrated_database
from worker.run import Worker
from worker.tasks import make_tasks

SOON, MINUTE = timedelta(minutes=10), timedelta(minutes=1)
FAR = timedelta(minutes=85)  # the longest delay that was seen
REFRESH_5M = "refresh of agent_metrics_5m"


@pytest.fixture
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database whose jobs these tests change; its scheduler rests until a test starts it."""
    with migrated_database(tmp_path_factory.mktemp("failed_jobs")) as url:
        yield url


@pytest.fixture
async def connection(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(own_database, timeout=10)
    yield connection
    await connection.close()


@pytest.fixture
async def admin(own_database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(as_admin(own_database), timeout=10)
    yield connection
    await connection.close()


def name_of(job: Job) -> str:
    return f"{job.kind} of {job.relation}"


async def find_job(connection: Connection, name: str) -> Job:
    (job_row,) = [job for job in await list_jobs(connection) if name_of(job) == name]
    return job_row


async def mark_failed(admin: asyncpg.Connection, job: Job, began: datetime, next_start: datetime) -> None:
    """Write down a failed run as the scheduler does, with the delay that it gives after several."""
    await admin.execute(
        "INSERT INTO _timescaledb_internal.bgw_job_stat (job_id, last_start, last_finish, next_start, "
        "last_successful_finish, last_run_success, total_runs, total_duration, total_duration_failures, "
        "total_successes, total_failures, total_crashes, consecutive_failures, consecutive_crashes) "
        "VALUES ($1, $2, $2, $3, '-infinity', false, 7, '1 s', '1 s', 0, 7, 0, 7, 0) ON CONFLICT (job_id) DO UPDATE "
        "SET last_start = $2, last_finish = $2, next_start = $3, last_run_success = false, total_failures = 7",
        job.job_id, began, next_start,
    )  # fmt: skip


async def next_start(connection: Connection, job: Job) -> datetime:
    at: datetime = await connection.fetchval(
        "SELECT next_start FROM timescaledb_information.job_stats WHERE job_id = $1", job.job_id
    )
    return at


async def store_hours(connection: Connection) -> None:
    """Store raw samples of three hours ago that no rollup has."""
    await connection.execute(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) "
        "SELECT $1, now() - n * interval '1 minute', now(), 50 FROM generate_series(120, 180) n", uuid4(),
    )  # fmt: skip


async def is_rolled_up(connection: Connection) -> bool:
    """Whether the rollup itself has rows; the view over it adds raw samples above the watermark."""
    watermark = (
        "SELECT _timescaledb_functions.to_timestamp(w.watermark) > now() - interval '2 hours 10 minutes' "
        "FROM _timescaledb_catalog.continuous_aggs_watermark w JOIN _timescaledb_catalog.continuous_agg c "
        "ON c.mat_hypertable_id = w.mat_hypertable_id WHERE c.user_view_name = 'agent_metrics_5m'"
    )
    return bool(await connection.fetchval(watermark))


async def test_a_job_that_is_marked_failed_is_run_while_its_next_run_is_far_ahead(
    connection: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    job, now = await find_job(connection, REFRESH_5M), utc_now()
    await store_hours(connection)
    await mark_failed(admin, job, now - SOON, now + FAR)
    assert not await is_rolled_up(connection)
    assert [name_of(one) for one in await run_delayed(connection, now)] == [REFRESH_5M]
    assert await is_rolled_up(connection)
    assert abs(await next_start(connection, job) - (utc_now() + job.every)) < MINUTE  # the scheduler tries it itself


async def test_a_delayed_job_runs_once_in_its_interval_whatever_the_number_of_workers(
    own_database: str, connection: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    job, now = await find_job(connection, REFRESH_5M), utc_now()
    await mark_failed(admin, job, now - SOON, now + FAR)
    async with asyncpg.create_pool(own_database, min_size=2, max_size=2) as pool:

        async def by_worker() -> list[Job]:
            async with pool.acquire() as one:
                return await run_delayed(one, now)

        done = await asyncio.gather(by_worker(), by_worker())
    assert sorted(map(len, done)) == [0, 1]
    await mark_failed(admin, job, now - SOON, now + FAR)  # the server has failed again meanwhile
    assert await run_delayed(connection, now + MINUTE) == []
    assert len(await run_delayed(connection, now + job.every)) == 1


@pytest.mark.parametrize(
    ("began", "next_run", "why"),
    [
        (-MINUTE, FAR, "its interval has not passed"),
        (-SOON, MINUTE / 2, "the scheduler runs it in a moment"),
    ],
)
async def test_a_job_that_need_not_be_run_is_left_to_the_scheduler(
    connection: asyncpg.Connection, admin: asyncpg.Connection, began: timedelta, next_run: timedelta, why: str
) -> None:
    job, now = await find_job(connection, REFRESH_5M), utc_now()
    await mark_failed(admin, job, now + began, now + next_run)
    assert await run_delayed(connection, now) == [], why


async def test_a_job_that_is_switched_off_or_unsafe_is_not_run(
    connection: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    retention, refresh = [await find_job(connection, f"{kind}") for kind in ("retention of agent_metrics", REFRESH_5M)]
    now = utc_now()
    for job in (retention, refresh):
        await mark_failed(admin, job, now - 30 * HOUR, now + FAR)
    await connection.execute("SELECT alter_job($1, scheduled => false)", retention.job_id)
    await connection.execute("SELECT remove_retention_policy('agent_metrics')")
    await connection.execute("SELECT add_retention_policy('agent_metrics', interval '7 days')")
    assert await run_delayed(connection, now) == []


async def test_a_job_that_fails_here_too_is_noted_and_the_others_are_run(
    connection: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    bad, good, now = (
        await find_job(connection, REFRESH_5M),
        await find_job(connection, "refresh of agent_metrics_1h"),
        utc_now(),
    )
    planned = now + FAR
    await store_hours(connection)
    for job in (bad, good):
        await mark_failed(admin, job, now - HOUR, planned)
    source = "jsonb_set(config, '{bucket}', '\"five\"')"
    await connection.execute(
        f"SELECT alter_job(job_id, config => {source}) FROM agent_storage_jobs() WHERE job_id = $1", bad.job_id
    )
    assert [job.job_id for job in await run_delayed(connection, now)] == [good.job_id]
    fault = await connection.fetchrow("SELECT item, reason FROM agent_isolated_faults WHERE task = $1", TASK)
    assert fault is not None
    assert fault["item"] == REFRESH_5M
    assert "interval" in fault["reason"]
    assert await next_start(connection, bad) == planned
    await connection.execute(
        "SELECT alter_job(job_id, config => jsonb_set(config, '{bucket}', '\"00:05:00\"')) FROM agent_storage_jobs() "
        "WHERE job_id = $1", bad.job_id,
    )  # fmt: skip
    assert bad.job_id in [job.job_id for job in await run_delayed(connection, now + SOON)]
    assert not await connection.fetchval("SELECT count(*) FROM agent_isolated_faults WHERE task = $1", TASK)


async def test_jobs_that_the_worker_runs_are_logged_and_counted(
    connection: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    job, now = await find_job(connection, REFRESH_5M), utc_now()
    await mark_failed(admin, job, now - SOON, now + FAR)
    await run_delayed(connection, now)
    await mark_failed(admin, job, now, now + FAR)
    fleet = await read_fleet(connection, now)
    assert fleet.server is not None
    assert fleet.server.jobs_run_by_worker == 1
    state = msgspec.structs.replace(fleet.server, embedded=False)
    if REAL_SERVER:
        faults = [fault for fault in server_faults(state) if str(job.job_id) in fault]
        assert len(faults) == 1
        assert f"job {job.job_id} ({REFRESH_5M}) is marked failed, 7 times so far, but works" in faults[0]
    values = {metric.name: [sample.value for sample in metric.samples] for metric in fleet_metrics(fleet)}
    assert values["rts_jobs_run_by_worker"] == [1]
    assert values["rts_jobs_failing"] == [0]


def test_the_worker_does_it_only_beside_a_scheduler() -> None:
    worker = Worker(make_tasks(Settings(database_url="postgresql://127.0.0.1:1/none")))
    now = utc_now()
    assert [
        scheduler for scheduler in (True, False) if TASK in {task.name for task in worker.due(now, scheduler=scheduler)}
    ] == [True]
    assert "storage policies" not in {task.name for task in worker.due(now, scheduler=True)}


async def start_scheduler(admin: asyncpg.Connection) -> None:
    await admin.execute("SELECT _timescaledb_functions.start_background_workers()")


async def until(connection: Connection, job: Job, condition: str) -> None:
    """Wait until a condition on the job's statistics holds."""
    query = f"SELECT {condition} FROM timescaledb_information.job_stats WHERE job_id = $1"
    async with asyncio.timeout(180):
        while not await connection.fetchval(query, job.job_id):  # noqa: ASYNC110  the server changes it
            await asyncio.sleep(0.1)


REPLACED = (
    "CREATE OR REPLACE PROCEDURE agent_refresh_rollup(IN job_id integer, IN config jsonb) LANGUAGE plpgsql AS $$ {} $$"
)


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has no scheduler")
async def test_a_job_that_the_scheduler_saw_fail_is_run_by_the_worker(
    connection: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    job = await find_job(connection, REFRESH_5M)
    (right,) = [
        row["text"]
        for row in await connection.fetch("SELECT pg_get_functiondef('agent_refresh_rollup'::regproc) AS text")
    ]
    await store_hours(connection)
    await connection.execute(REPLACED.format("BEGIN RAISE EXCEPTION 'no'; END"))
    await connection.execute("SELECT alter_job($1, next_start => now())", job.job_id)
    await start_scheduler(admin)
    await until(connection, job, "last_run_status = 'Failed'")
    await connection.execute(right)
    await connection.execute("SELECT alter_job($1, next_start => now() + interval '85 minutes')", job.job_id)
    assert [name_of(one) for one in await run_delayed(connection, utc_now() + SOON)] == [REFRESH_5M]
    assert await is_rolled_up(connection)
    await connection.execute("SELECT alter_job($1, next_start => now())", job.job_id)
    await until(connection, job, "last_run_status = 'Success'")  # the scheduler goes on by itself
    assert await run_delayed(connection, utc_now() + 2 * SOON) == []


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has no scheduler")
async def test_a_job_that_the_scheduler_runs_is_not_run_beside_it(
    connection: asyncpg.Connection, admin: asyncpg.Connection
) -> None:
    job = await find_job(connection, REFRESH_5M)
    await connection.execute(REPLACED.format("BEGIN PERFORM pg_sleep(600); END"))
    await connection.execute("SELECT alter_job($1, next_start => now())", job.job_id)
    await start_scheduler(admin)
    await until(connection, job, "job_status = 'Running'")
    assert await connection.fetchval(*QUERIES.bind("is_running", job_id=job.job_id))
    assert await run_delayed(connection, utc_now() + FAR) == []
    assert not [fault for fault in (await read_server_state(connection, utc_now())).jobs if fault.job_id == job.job_id]
