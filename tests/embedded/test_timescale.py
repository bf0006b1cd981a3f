"""The parts of TimescaleDB Community that the project builds on."""

import datetime as dt

import asyncpg
import pytest

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)

TABLE = """
    CREATE TABLE metrics (agent int, at timestamptz NOT NULL, cpu float8, PRIMARY KEY (agent, at));
    SELECT create_hypertable('metrics', 'at', chunk_time_interval => interval '1 day');
    ALTER TABLE metrics SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'agent',
                             timescaledb.orderby = 'at DESC');
    CREATE MATERIALIZED VIEW metrics_5m WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
        SELECT agent, time_bucket('5 minutes', at) AS bucket, sum(cpu) AS total, count(cpu) AS n
        FROM metrics GROUP BY 1, 2 WITH NO DATA;
    CREATE MATERIALIZED VIEW metrics_1h WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
        SELECT agent, time_bucket('1 hour', bucket) AS bucket, sum(total) AS total, sum(n) AS n
        FROM metrics_5m GROUP BY 1, 2 WITH NO DATA;
    SELECT add_continuous_aggregate_policy('metrics_5m', '30 days'::interval, '5 min'::interval, '5 min'::interval);
    SELECT add_continuous_aggregate_policy('metrics_1h', '90 days'::interval, '1 hour'::interval, '1 hour'::interval);
    SELECT add_retention_policy('metrics', interval '60 days')
"""


@pytest.fixture(scope="module")
async def connection(dsn: str) -> "asyncpg.Connection[asyncpg.Record]":  # closed by the last test
    connection = await asyncpg.connect(dsn)
    async with connection.transaction():
        for statement in TABLE.split(";\n"):
            await connection.execute(statement)
    now = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
    starts = (now - dt.timedelta(days=3), now - dt.timedelta(days=70))
    rows = [(agent, at + dt.timedelta(minutes=n), float(n)) for at in starts for agent in (1, 2) for n in range(120)]
    await connection.copy_records_to_table("metrics", records=rows)
    return connection


async def test_the_license_is_the_community_one(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    assert await connection.fetchval("SHOW timescaledb.license") == "timescale"


async def test_stacked_aggregates_are_filled_by_their_policy_jobs(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    jobs = await connection.fetch(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name LIKE '%refresh%' ORDER BY job_id"
    )
    assert len(jobs) == 2
    for job in jobs:
        await connection.execute(f"CALL run_job({job['job_id']})")
    hours = await connection.fetch("SELECT agent, n, total FROM metrics_1h ORDER BY agent, bucket")
    assert [tuple(row) for row in hours] == [(agent, 60, total) for agent in (1, 2) for total in (1770.0, 5370.0)]


async def test_a_refresh_by_hand_sees_late_rows(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    first = await connection.fetchval("SELECT min(bucket) FROM metrics_5m")
    await connection.execute("INSERT INTO metrics VALUES (1, $1, 100)", first + dt.timedelta(seconds=1))
    await connection.execute("CALL refresh_continuous_aggregate('metrics_5m', NULL, NULL)")
    assert await connection.fetchval("SELECT n FROM metrics_5m WHERE agent = 1 AND bucket = $1", first) == 6


async def test_columnstore_gives_the_same_answers_and_takes_new_rows(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    before = await connection.fetchrow("SELECT count(*), sum(cpu) FROM metrics")
    for chunk in await connection.fetch("SELECT show_chunks('metrics')::text AS name"):
        await connection.execute(f"CALL convert_to_columnstore('{chunk['name']}')")
    assert await connection.fetchval(
        "SELECT bool_and(is_compressed) FROM timescaledb_information.chunks WHERE hypertable_name = 'metrics'"
    )
    assert await connection.fetchrow("SELECT count(*), sum(cpu) FROM metrics") == before
    at = await connection.fetchval("SELECT max(at) FROM metrics")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.copy_records_to_table("metrics", records=[(1, at, 1.0)])
    await connection.copy_records_to_table("metrics", records=[(3, at, 1.0)])
    assert await connection.fetchval("SELECT count(*) FROM metrics WHERE agent = 3") == 1


async def test_gaps_are_filled(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    values = await connection.fetch(
        """SELECT time_bucket_gapfill('1 minute', at) AS minute, avg(cpu), locf(avg(cpu)) FROM metrics
           WHERE agent = 1 AND at >= $1 AND at < $1 + interval '3 minutes' GROUP BY 1 ORDER BY 1""",
        START,
    )
    assert [row[1] for row in values] == [None, None, None]


async def test_retention_drops_old_chunks_and_keeps_the_aggregates(
    connection: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rollups = await connection.fetchval("SELECT count(*) FROM metrics_5m")
    job = await connection.fetchval(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention'"
    )
    await connection.execute(f"CALL run_job({job})")
    assert await connection.fetchval("SELECT count(*) FROM metrics WHERE at < now() - interval '65 days'") == 0
    assert await connection.fetchval("SELECT count(*) FROM metrics_5m") == rollups
    await connection.close()
