"""A migrated database has the columns of the catalogue of metrics and the numbers of the table of policies."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import asyncpg
import pytest
from sqlalchemy import create_engine

from core.metrics import METRICS, Kind
from db.hypertables.policies import LEVELS, SERIES_LEVELS, Level, UnsafePolicyError, apply_policies, with_keep
from db.migrations.run import sqlalchemy_url
from ingest.copy_rows import COLUMNS
from rollups.refresh import list_jobs
from tests.databases import migrated_database

# In the view of jobs, old versions name the hypertable behind a continuous aggregate, new ones the aggregate itself.
BEHIND = """
WITH names AS (
    SELECT $1::text AS relation, COALESCE(
        (SELECT materialization_hypertable_name::text FROM timescaledb_information.continuous_aggregates
         WHERE view_name = $1), $1) AS behind
)
"""
DIMENSION = f"""{BEHIND} SELECT column_name::text, time_interval
FROM timescaledb_information.dimensions, names WHERE hypertable_name = behind"""
COLUMNSTORE = f"""{BEHIND} SELECT segmentby, orderby FROM timescaledb_information.hypertable_columnstore_settings, names
WHERE hypertable IN (to_regclass(behind), to_regclass('_timescaledb_internal.' || behind))"""
JOBS = f"""{BEHIND} SELECT proc_name::text, schedule_interval, scheduled,
       (config ->> 'compress_after')::interval AS compress_after,
       (config ->> 'drop_after')::interval AS drop_after, (config ->> 'start_offset')::interval AS start_offset,
       (config ->> 'end_offset')::interval AS end_offset
FROM timescaledb_information.jobs, names WHERE hypertable_name IN (relation, behind)"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    made = await asyncpg.connect(database)
    yield made
    await made.close()


@pytest.fixture(scope="module")
def own_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated database for tests that change policies."""
    with migrated_database(tmp_path_factory.mktemp("own")) as url:
        yield url


ALL = (*LEVELS, *SERIES_LEVELS)
each_level = pytest.mark.parametrize("level", ALL, ids=lambda level: level.relation)
each_rollup = pytest.mark.parametrize(
    "level", [level for level in ALL if level.bucket], ids=lambda level: level.relation
)


@each_level
async def test_chunks_are_as_long_as_the_table_of_values_says(connection: asyncpg.Connection, level: Level) -> None:
    time = "bucket" if level.bucket else "collected_at"
    assert [tuple(row) for row in await connection.fetch(DIMENSION, level.relation)] == [(time, level.chunk)]


@each_level
async def test_the_columnstore_keeps_a_device_together_in_order_of_time(
    connection: asyncpg.Connection, level: Level
) -> None:
    rows = [tuple(row) for row in await connection.fetch(COLUMNSTORE, level.relation)]
    together = "agent_device_id" if level in LEVELS else "series_id"
    if level.relation == "agent_series_samples":
        together = "series_id,is_counter"
    assert rows == [(together, "bucket" if level.bucket else "collected_at")]


@each_rollup
async def test_a_rollup_answers_from_what_is_materialised_only(connection: asyncpg.Connection, level: Level) -> None:
    query = (
        "SELECT materialized_only, compression_enabled FROM timescaledb_information.continuous_aggregates "
        "WHERE view_name = $1"
    )
    assert tuple(await connection.fetchrow(query, level.relation) or ()) == (True, True)


@each_rollup
async def test_a_rollup_is_made_from_the_level_below(connection: asyncpg.Connection, level: Level) -> None:
    query = (
        f"{BEHIND} SELECT hypertable_name::text = behind FROM timescaledb_information.continuous_aggregates, names "
        "WHERE view_name = $2"
    )
    assert await connection.fetchval(query, level.source, level.relation)
    definition = await connection.fetchval(
        "SELECT view_definition FROM timescaledb_information.continuous_aggregates WHERE view_name = $1", level.relation
    )
    width = await connection.fetchval(
        "SELECT substring($1::text FROM 'time_bucket\\(''([^'']+)''')::interval", definition
    )
    assert width == level.bucket


@each_level
async def test_jobs_have_the_ages_of_the_table_of_values(connection: asyncpg.Connection, level: Level) -> None:
    rows = await connection.fetch(JOBS, level.relation)
    jobs = {row["proc_name"]: row for row in rows}
    assert len(rows) == len(jobs)
    assert all(row["scheduled"] for row in rows)
    assert jobs.pop("policy_compression")["compress_after"] == level.columnstore_after
    assert jobs.pop("policy_retention")["drop_after"] == level.keep
    if level.bucket:
        job = jobs.pop("policy_refresh_continuous_aggregate")
        found = job["start_offset"], job["end_offset"], job["schedule_interval"]
        assert found == (level.refresh_from, level.refresh_to, level.refresh_every)
    assert jobs == {}


async def test_the_worker_finds_every_job_refresh_first(connection: asyncpg.Connection) -> None:
    jobs = [(job.procedure.removeprefix("policy_"), job.relation) for job in await list_jobs(connection)]
    levels = [level.relation for level in ALL]
    assert jobs == [
        *(("refresh_continuous_aggregate", level.relation) for level in ALL if level.bucket),
        *(("compression", name) for name in levels),
        *(("retention", name) for name in levels),
    ]


def test_other_values_replace_those_set_before(own_database: str) -> None:
    engine = create_engine(sqlalchemy_url(own_database))
    for levels, kept in ((LEVELS, "30 days"), (with_keep(LEVELS, raw=timedelta(days=45)), "45 days")):
        with engine.begin() as made:
            apply_policies(made, levels)
            found = made.exec_driver_sql(
                "SELECT config ->> 'drop_after' FROM timescaledb_information.jobs "
                "WHERE proc_name = 'policy_retention' AND hypertable_name = 'agent_metrics'"
            )
            assert found.scalars().all() == [kept]
            jobs = made.exec_driver_sql("SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000")
            assert jobs.scalar() == 22
    engine.dispose()


def test_unsafe_values_change_nothing(own_database: str) -> None:
    engine = create_engine(sqlalchemy_url(own_database))
    query = "SELECT job_id, config::text FROM timescaledb_information.jobs ORDER BY job_id"
    with engine.begin() as made:
        before = made.exec_driver_sql(query).all()
        with pytest.raises(UnsafePolicyError):
            apply_policies(made, with_keep(LEVELS, raw=timedelta(days=20)))
        assert made.exec_driver_sql(query).all() == before
    engine.dispose()


async def columns_of(connection: asyncpg.Connection, relation: str) -> list[tuple[str, str]]:
    rows = await connection.fetch(
        "SELECT attname::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
        relation,
    )
    return [(row[0], row[1]) for row in rows]


async def test_the_hypertable_has_the_columns_of_the_catalogue(connection: asyncpg.Connection) -> None:
    expected = {
        "agent_device_id": "uuid",
        "collected_at": "timestamp with time zone",
        "received_at": "timestamp with time zone",
        **{metric.name: "bigint" if metric.whole else "double precision" for metric in METRICS},
        "raw_metrics": "jsonb",
    }
    assert dict(await columns_of(connection, "agent_metrics")) == expected
    assert set(COLUMNS) == expected.keys()


@pytest.mark.parametrize("level", LEVELS[1:], ids=lambda level: level.relation)
async def test_a_rollup_has_the_columns_of_the_catalogue(connection: asyncpg.Connection, level: Level) -> None:
    expected = {"agent_device_id": "uuid", "bucket": "timestamp with time zone", "sample_count": "bigint"}
    for metric in METRICS:
        parts = ("first", "last", "increase") if metric.kind is Kind.COUNTER else ("sum", "min", "max")
        expected |= {f"{metric.name}_{part}": "double precision" for part in parts}
        if metric.kind is Kind.GAUGE:
            expected[f"{metric.name}_count"] = "bigint"
        else:
            expected |= {f"{metric.name}_{part}": "timestamp with time zone" for part in ("first_at", "last_at")}
    assert dict(await columns_of(connection, level.relation)) == expected
