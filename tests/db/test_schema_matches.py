"""A migrated database has the columns of the catalogue of metrics and the numbers of the table of policies."""

import asyncpg
import pytest

from core.metrics import METRICS, Kind
from db.hypertables.policies import LEVELS, SERIES_LEVELS, Level
from ingest.copy_rows import COLUMNS
from rollups.refresh import list_jobs

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
JOBS = """
SELECT kind, every, scheduled, (config ->> 'compress_after')::interval AS compress_after,
       (config ->> 'drop_after')::interval AS drop_after, (config ->> 'start_offset')::interval AS start_offset,
       (config ->> 'end_offset')::interval AS end_offset, config ->> 'source' AS source,
       (config ->> 'bucket')::interval AS bucket
FROM agent_storage_jobs() WHERE relation = $1
"""


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
    jobs = {row["kind"]: row for row in rows}
    assert len(rows) == len(jobs)
    assert all(row["scheduled"] for row in rows)
    assert jobs.pop("columnstore")["compress_after"] == level.columnstore_after
    assert jobs.pop("retention")["drop_after"] == level.keep
    if level.bucket:
        job = jobs.pop("refresh")
        actual = job["start_offset"], job["end_offset"], job["every"], job["source"], job["bucket"]
        assert actual == (level.refresh_from, level.refresh_to, level.refresh_every, level.source, level.bucket)
    assert jobs == {}


async def test_the_worker_finds_every_job_refresh_first(connection: asyncpg.Connection) -> None:
    jobs = [(job.kind, job.relation) for job in await list_jobs(connection)]
    levels = [level.relation for level in ALL]
    assert jobs == [
        *(("refresh", level.relation) for level in ALL if level.bucket),
        *(("columnstore", name) for name in levels),
        *(("retention", name) for name in levels),
    ]


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
