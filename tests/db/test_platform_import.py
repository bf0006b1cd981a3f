"""The platform's own agent tables, brought over into ours: the counts add up, and it goes on where it was ended."""

import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import psycopg
import pytest

from cli.platform import run_import
from core.clock import utc_now
from core.database_urls import with_schema
from db.migrations.run import upgrade
from db.pools import SERVER_SETTINGS
from devices.platform_import import NothingToImportError, import_days, import_devices, list_days
from tests.databases import fresh_database
from tests.db.scheduler import stop_scheduler
from tests.platform.dumps import catalog
from tests.platform.kinds import build_platform, run_files

# Three devices, one of them on trial without a business, one deleted; forty days of samples each half hour; one sample
# twice, one of the future, one with a percentage that can't be.
ROWS = """
INSERT INTO agent_devices (id, business_id, agent_token, device_name, device_type, os_type, agent_version, is_trial,
        soft_delete)
    SELECT ('00000000-0000-4000-8000-00000000000' || n)::uuid, CASE WHEN n <> 2 THEN b.id END, 'token' || n, 'pc-' || n,
           CASE n WHEN 1 THEN 'mainframe' ELSE 'server' END, 'linux', '1.0', n = 2, n = 3
    FROM generate_series(1, 3) n, businesses b;
INSERT INTO agent_metrics (agent_device_id, collected_at, cpu_percent, memory_percent, network_rx_bytes, npm_outdated,
        raw_metrics)
    SELECT d.id, at, 50, 40, 1000, 3, '{"cores": 8}'
    FROM agent_devices d, generate_series(date_trunc('day', now()) - interval '40 days', now(), '30 minutes') at;
INSERT INTO agent_metrics (agent_device_id, collected_at, cpu_percent)
    SELECT agent_device_id, collected_at, 1 FROM agent_metrics WHERE agent_device_id::text LIKE '%1' LIMIT 1;
INSERT INTO agent_metrics (agent_device_id, collected_at, cpu_percent)
    VALUES ('00000000-0000-4000-8000-000000000001', now() + interval '2 days', 5),
           ('00000000-0000-4000-8000-000000000001', now() - interval '61 minutes 7 seconds', 250);
"""


@pytest.fixture
async def imported(tmp_path: Path) -> AsyncIterator[tuple[str, asyncpg.Connection]]:
    """The platform's database with our schema beside, nothing imported yet: its URL and a connection to ours."""
    with fresh_database(tmp_path) as url:
        stop_scheduler(url)
        build_platform(url, "platform")
        run_files(url, "own_agent_tables.sql")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ROWS.encode())
        ours = with_schema(url, "monitoring")
        upgrade(ours)
        opened = await asyncpg.connect(ours, server_settings=SERVER_SETTINGS)
        yield url, opened
        await opened.close()


async def count(connection: asyncpg.Connection, table: str) -> int:
    rows: int = await connection.fetchval(f"SELECT count(*) FROM {table}")
    return rows


async def test_a_dry_run_counts_and_writes_nothing_and_the_import_does_what_it_said(
    imported: tuple[str, asyncpg.Connection],
) -> None:
    url, connection = imported
    ours, theirs = with_schema(url, "monitoring"), catalog(url)
    devices, rows = await run_import(ours, True, True)
    assert (devices.found, devices.new, devices.without_business, devices.deleted) == (3, 1, 1, 1)
    assert await count(connection, "agent_devices") == 0
    all_rows = await count(connection, "public.agent_metrics")
    parts = (rows.without_device, rows.out_of_time, rows.repeated, rows.rolled_up, rows.here, rows.new)
    assert rows.found == all_rows == sum(parts)
    assert (rows.out_of_time, rows.repeated, rows.here, rows.rolled_up) == (1, 1, 0, 0)
    done_devices, done = await run_import(ours, False, True)
    assert (done_devices, done) == (devices, rows)
    assert await count(connection, "agent_metrics") == rows.new
    device = await connection.fetchrow("SELECT * FROM agent_devices")
    assert device is not None
    assert (device["device_name"], device["device_type"], device["agent_token"]) == ("pc-1", None, None)
    sample = await connection.fetchrow("SELECT * FROM agent_metrics ORDER BY collected_at OFFSET 9 LIMIT 1")
    assert sample is not None
    assert '"npm_outdated": 3' in sample["raw_metrics"]
    assert '"cores": 8' in sample["raw_metrics"]
    odd = await connection.fetchval("SELECT count(*) FROM agent_metrics WHERE cpu_percent IS NULL")
    assert odd == 1
    days = await connection.fetchval("SELECT count(*) FROM agent_metrics_1d")
    assert days >= 38  # the newest are left to the policy
    assert catalog(url) == theirs
    assert await connection.fetchval(
        "SELECT bool_and(scheduled) FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"
    )


async def test_an_interrupted_import_resumes_and_a_second_run_imports_nothing(
    imported: tuple[str, asyncpg.Connection],
) -> None:
    url, connection = imported
    now = utc_now()
    await import_devices(connection)
    going = import_days(connection, await list_days(connection), now, extras=False)
    async for day, _ in going:
        if day > (now - timedelta(days=20)).date():
            break
    await going.aclose()
    partly = await count(connection, "agent_metrics")
    _, rows = await run_import(with_schema(url, "monitoring"), False, False)
    assert (rows.here, rows.here + rows.new) == (partly, await count(connection, "agent_metrics"))
    _, again = await run_import(with_schema(url, "monitoring"), False, False)
    assert (again.new, again.here) == (0, rows.here + rows.new)


async def test_days_whose_samples_were_dropped_after_they_were_rolled_up_are_left_alone(
    imported: tuple[str, asyncpg.Connection],
) -> None:
    url, connection = imported
    _, rows = await run_import(with_schema(url, "monitoring"), False, False)
    await connection.execute("SELECT drop_chunks('agent_metrics', older_than => interval '31 days')")
    kept = await connection.fetch("SELECT * FROM agent_metrics_1d ORDER BY bucket")
    left = await count(connection, "agent_metrics")
    _, again = await run_import(with_schema(url, "monitoring"), False, False)
    assert (again.new, again.here, again.rolled_up) == (0, left, rows.new - left)
    assert await connection.fetch("SELECT * FROM agent_metrics_1d ORDER BY bucket") == kept


async def test_without_tables_of_the_platform_there_is_nothing_to_import(database: str) -> None:
    with pytest.raises(NothingToImportError):
        await run_import(database, True, True)


def test_the_command_shows_counts_that_add_up(tmp_path: Path) -> None:
    with fresh_database(tmp_path) as url:
        build_platform(url, "platform")
        run_files(url, "own_agent_tables.sql")
        environment = {"DATABASE_URL": url, "RTS_SCHEMA": "monitoring", "PATH": "", "COLUMNS": "100"}
        upgrade(with_schema(url, "monitoring"))
        done = subprocess.run(
            [sys.executable, "-m", "cli", "db", "import-platform", "--dry-run"], env=environment, capture_output=True,
            text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "rows of metrics (dry run)" in done.stdout
