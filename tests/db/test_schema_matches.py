"""The database is what the tables of values and of metrics say, and what the SQL files say when run by hand."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import psycopg
import pytest
from sqlalchemy import create_engine

from core.metrics import METRICS, Kind
from db.hypertables.policies import LEVELS, SERIES_LEVELS, Level, UnsafePolicyError, apply_policies, with_keep
from db.migrations.run import sqlalchemy_url
from db.sql import load_queries
from ingest.copy_rows import COLUMNS
from rollups.refresh import list_jobs
from tests.databases import fresh_database
from tests.db.test_sql import REPOSITORY

FILES = (
    "migrations/sql/platform.sql", "migrations/sql/agents.sql", "migrations/sql/alerts.sql",
    "hypertables/counter_increase.sql", "hypertables/agent_metrics.sql", "hypertables/agent_metrics_5m.sql",
    "hypertables/agent_metrics_1h.sql", "hypertables/agent_metrics_1d.sql", "migrations/sql/lifecycle.sql",
    "migrations/sql/commands.sql", "migrations/sql/inventory.sql", "migrations/sql/alert_rules.sql",
    "migrations/sql/alert_errors.sql", "migrations/sql/late_looks.sql", "migrations/sql/device_updates.sql",
    "migrations/sql/vacuum_settings.sql", "migrations/sql/counter_increase_by_point.sql",
    "migrations/sql/agent_metrics_by_time.sql", "migrations/sql/people.sql", "migrations/sql/references.sql",
    "migrations/sql/references_checked.sql", "migrations/sql/people_names.sql", "migrations/sql/alert_isolation.sql",
    "migrations/sql/series.sql", "hypertables/agent_series_samples.sql", "hypertables/agent_series_5m.sql",
    "hypertables/agent_series_1h.sql", "hypertables/agent_series_1d.sql", "migrations/sql/alert_instances.sql",
    "migrations/sql/tokens_and_views.sql", "migrations/sql/approval.sql", "migrations/sql/alert_notes.sql",
    "migrations/sql/device_changes.sql", "migrations/sql/counter_breaks.sql",
    "migrations/sql/erasures.sql", "migrations/sql/audit_chain.sql", "migrations/sql/retention.sql",
    "migrations/sql/gateways.sql",
)  # fmt: skip

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
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database made by running the SQL files one after the other, without Alembic."""
    with fresh_database(tmp_path_factory.mktemp("by_hand")) as url:
        with psycopg.connect(url, autocommit=True) as made:
            made.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            made.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
            for file in FILES:
                for statement in load_queries(REPOSITORY / "db" / file).values():
                    made.execute(statement.encode())
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


def test_other_values_replace_those_set_before(by_hand: str) -> None:
    engine = create_engine(sqlalchemy_url(by_hand))
    for levels, kept in ((LEVELS, "30 days"), (with_keep(LEVELS, raw=timedelta(days=45)), "45 days")):
        with engine.begin() as made:
            apply_policies(made, levels)
            found = made.exec_driver_sql(
                "SELECT config ->> 'drop_after' FROM timescaledb_information.jobs "
                "WHERE proc_name = 'policy_retention' AND hypertable_name = 'agent_metrics'"
            )
            assert found.scalars().all() == [kept]
            jobs = made.exec_driver_sql("SELECT count(*) FROM timescaledb_information.jobs WHERE job_id >= 1000")
            assert jobs.scalar() == 11
    engine.dispose()


def test_unsafe_values_change_nothing(by_hand: str) -> None:
    engine = create_engine(sqlalchemy_url(by_hand))
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
    expected = [
        ("agent_device_id", "uuid"),
        ("collected_at", "timestamp with time zone"),
        ("received_at", "timestamp with time zone"),
        *((metric.name, "bigint" if metric.whole else "double precision") for metric in METRICS),
        ("raw_metrics", "jsonb"),
    ]
    assert await columns_of(connection, "agent_metrics") == expected


async def test_copy_fills_every_column_in_the_order_of_the_hypertable(connection: asyncpg.Connection) -> None:
    assert [name for name, _ in await columns_of(connection, "agent_metrics")] == list(COLUMNS)


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


OWN = "NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = {}.oid AND d.deptype = 'e')"
SHAPE = {
    "columns": (
        "SELECT c.relname::text, c.relkind::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
        "pg_get_expr(f.adbin, f.adrelid), c.reloptions FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "LEFT JOIN pg_attrdef f ON f.adrelid = a.attrelid AND f.adnum = a.attnum "
        "WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'v') "
        "AND a.attnum > 0 AND NOT attisdropped "
        f"AND {OWN.format('c')}"
    ),
    "constraints": (
        "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE connamespace = 'public'::regnamespace"
    ),
    "indexes": "SELECT tablename::text, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    # A continuous aggregate's indexes lie on the hypertable behind it, whose name has a number in it.
    "indexes of rollups": (
        "SELECT c.view_name::text, replace(i.indexdef, c.materialization_hypertable_name::text, 'rollup') "
        "FROM timescaledb_information.continuous_aggregates c JOIN pg_indexes i "
        "ON i.tablename = c.materialization_hypertable_name AND i.schemaname = c.materialization_hypertable_schema"
    ),
    "rollups": "SELECT view_name::text, view_definition FROM timescaledb_information.continuous_aggregates",
    "functions": (
        "SELECT p.oid::regprocedure::text, p.prokind::text, p.provolatile::text, p.proparallel::text, p.prosrc, "
        "pg_get_function_result(p.oid) FROM pg_proc p "
        f"WHERE p.pronamespace = 'public'::regnamespace AND {OWN.format('p')}"
    ),
}


def shape(url: str, query: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as made:
        rows = made.execute(query.encode()).fetchall()
    return sorted((row for row in rows if "rts_agents_alembic_version" not in str(row)), key=repr)


@pytest.mark.parametrize("part", SHAPE)
def test_a_database_made_by_hand_equals_a_migrated_one(by_hand: str, database: str, part: str) -> None:
    migrated = shape(database, SHAPE[part])
    assert migrated
    assert shape(by_hand, SHAPE[part]) == migrated
