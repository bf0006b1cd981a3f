"""Health by freshness: what counts as stale, and what a quiet fleet looks like; and the worker on a real database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from core.clock import utc_now
from db.hypertables.policies import LEVELS
from rollups.choose import bucket_start
from rollups.refresh import PolicyRunner, list_jobs
from rollups.status import LevelStatus, count_rows, read_series_status, read_status
from tests.databases import migrated_database
from tests.devices import Device, sample

NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIVE_MINUTES = LEVELS[1]


def status(watermark: datetime, newest: datetime | None = NOW, oldest_rowstore: datetime | None = None) -> LevelStatus:
    return LevelStatus(FIVE_MINUTES, 1, 1, 0, NOW, oldest_rowstore, watermark, newest)


def test_a_level_that_keeps_up_is_healthy() -> None:
    assert status(NOW - 15 * MINUTE).faults(NOW) == []


def test_a_level_that_falls_behind_is_stale_and_says_what_to_look_at() -> None:
    (fault,) = status(NOW - 2 * HOUR).faults(NOW)
    assert "agent_metrics_5m is 2:00:00 behind" in fault
    assert "worker" in fault


def test_a_fleet_that_sends_nothing_makes_nothing_stale() -> None:
    assert status(NOW - 5 * DAY, newest=NOW - 5 * DAY).faults(NOW) == []
    assert status(datetime(1970, 1, 1, tzinfo=UTC), newest=None).faults(NOW) == []


def test_an_old_rowstore_chunk_is_a_fault() -> None:
    (fault,) = status(NOW - MINUTE, oldest_rowstore=NOW - 60 * DAY).faults(NOW)
    assert "columnstore" in fault


async def test_the_policies_roll_up_what_was_uploaded(device: Device, database: str) -> None:
    hour = bucket_start(utc_now(), HOUR) - 5 * HOUR
    await device.accepted(*(sample(hour + step * 5 * MINUTE, cpu_percent=step) for step in range(12)))
    connection = await asyncpg.connect(database)
    ran = await PolicyRunner().run_due(connection, utc_now())
    assert [job.relation for job in ran[:3]] == ["agent_metrics_5m", "agent_metrics_1h", "agent_metrics_1d"]
    assert len(ran) == len(await list_jobs(connection)) == 22
    row = await connection.fetchrow(
        "SELECT sample_count, cpu_percent_max FROM agent_metrics_1h WHERE agent_device_id = $1", device.agent_id
    )
    assert tuple(row or ()) == (12, 11)
    levels = await read_status(connection)
    assert [level.level.name for level in levels] == ["raw", "5m", "1h", "1d"]
    assert (await count_rows(connection))["agent_metrics"] >= 12
    assert all(level.bytes > 0 for level in levels)
    await connection.close()


@pytest.fixture
async def own_connection(tmp_path: Path) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database in which nobody pauses jobs."""
    with migrated_database(tmp_path) as url:
        connection = await asyncpg.connect(url)
        yield connection
        await connection.close()


async def test_a_job_runs_again_only_when_it_is_due(own_connection: asyncpg.Connection) -> None:
    runner = PolicyRunner()
    assert len(await runner.run_due(own_connection, NOW)) == 22
    assert await runner.run_due(own_connection, NOW + MINUTE) == []
    again = await runner.run_due(own_connection, NOW + 6 * MINUTE)
    assert [(job.relation, job.kind) for job in again] == [
        ("agent_metrics_5m", "refresh"),
        ("agent_series_5m", "refresh"),
    ]


async def test_a_backlog_in_a_young_installation_is_no_fault(device: Device, database: str) -> None:
    await device.accepted(*(sample(day * DAY, disks=[{"name": "C:", "percent": 1}]) for day in range(26)))
    connection = await asyncpg.connect(database)
    for relation in ("agent_metrics", "agent_series_samples"):  # others' tests may have run the columnstore policies
        await connection.execute(f"SELECT decompress_chunk(c, if_compressed => true) FROM show_chunks('{relation}') c")
    statement = "UPDATE _timescaledb_catalog.chunk SET creation_time = creation_time - interval '14 hours'"
    may_age = await connection.fetchval("SELECT has_table_privilege('_timescaledb_catalog.chunk', 'UPDATE')")
    try:
        for read in (read_status, read_series_status):
            assert not any("rowstore" in fault for level in await read(connection) for fault in level.faults(utc_now()))
        if may_age:
            await connection.execute(statement)  # the jobs have had their chance
        for read in (read_status, read_series_status) if may_age else ():
            assert any("rowstore" in fault for level in await read(connection) for fault in level.faults(utc_now()))
    finally:
        if may_age:
            await connection.execute(statement.replace(" - ", " + "))
        await connection.close()
