"""Storage policies changed by SQL: seen in words, unsafe refreshes paused, rollups kept, repaired by a command."""

import asyncio
from datetime import timedelta
from typing import cast
from uuid import uuid4

import asyncpg
import pytest
from typer.testing import CliRunner, Result

from cli.main import app
from core.clock import utc_now
from core.settings import get_settings
from db.hypertables.policies import DAY, LEVELS
from db.hypertables.values import read_values
from rollups.drift import find_drift
from rollups.refresh import PolicyRunner, list_jobs, refresh_range, run_job
from rollups.repair import pause_unsafe, repair, widen

ROLLUPS = [level.relation for level in LEVELS[1:]]


async def rolled_up(connection: asyncpg.Connection) -> dict[str, int]:
    return {name: await connection.fetchval(f"SELECT sum(sample_count) FROM {name}") for name in ROLLUPS}


async def store_weeks(connection: asyncpg.Connection) -> dict[str, int]:
    """Store 26 days of samples, each hour one, and roll them up."""
    now = utc_now()
    await connection.execute(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) "
        "SELECT $1, now() - n * INTERVAL '1 hour', now(), 50 FROM generate_series(49, 600) n",
        uuid4(),
    )
    await refresh_range(connection, now - 26 * DAY, now, now)
    return await rolled_up(connection)


async def shorten_by_sql(connection: asyncpg.Connection) -> None:
    await connection.execute("SELECT remove_retention_policy('agent_metrics')")
    await connection.execute("SELECT add_retention_policy('agent_metrics', INTERVAL '7 days')")


async def test_a_migrated_database_has_our_values(rolled_back: asyncpg.Connection) -> None:
    assert await find_drift(rolled_back, utc_now()) == []
    assert await pause_unsafe(rolled_back, utc_now()) == []


async def test_raw_cut_by_sql_pauses_the_refresh_and_the_rollups_stay(connection: asyncpg.Connection) -> None:
    before = await store_weeks(connection)
    await shorten_by_sql(connection)
    unsafe = [drift for drift in await find_drift(connection, utc_now()) if drift.unsafe]
    assert [drift.relation for drift in unsafe] == ["agent_metrics_5m"]
    assert "agent_metrics drops chunks after 7 days" in unsafe[0].sentence

    assert await pause_unsafe(connection, utc_now()) == unsafe
    assert await pause_unsafe(connection, utc_now()) == []
    for _ in range(2):  # retention in the first round, a refresh after it in the second
        for job in await list_jobs(connection):
            await run_job(connection, job)
    assert await connection.fetchval("SELECT min(collected_at) FROM agent_metrics") > utc_now() - 9 * DAY
    assert await rolled_up(connection) == before


async def test_the_refresh_stays_unsafe_when_retention_is_put_back_after_the_drop(
    connection: asyncpg.Connection,
) -> None:
    before = await store_weeks(connection)
    await connection.execute("SELECT drop_chunks('agent_metrics', older_than => INTERVAL '7 days')")
    (drift,) = await find_drift(connection, utc_now())
    assert drift.unsafe
    assert "has no chunk before" in drift.sentence
    assert await pause_unsafe(connection, utc_now()) == [drift]

    done = await repair(connection, utc_now())
    assert {line.partition(":")[0] for line in done} == {"agent_metrics_5m", "agent_series_5m"}
    assert await find_drift(connection, utc_now()) == []
    assert timedelta(days=5) < (await read_values(connection)).max_sample_age < timedelta(days=7)
    for job in await list_jobs(connection):
        await run_job(connection, job)
    assert await rolled_up(connection) == before
    assert await find_drift(connection, utc_now()) == []


async def test_a_refresh_window_is_widened_as_its_source_grows(connection: asyncpg.Connection) -> None:
    await store_weeks(connection)
    await connection.execute("SELECT drop_chunks('agent_metrics', older_than => INTERVAL '7 days')")
    await repair(connection, utc_now())
    short = (await read_values(connection)).metrics[1].refresh_from
    assert short
    later = utc_now() + 5 * DAY
    await widen(connection, later)
    wider = (await read_values(connection)).metrics[1].refresh_from
    assert wider == short + 5 * DAY
    assert await find_drift(connection, later) == []
    await widen(connection, utc_now() + 90 * DAY)
    assert (await read_values(connection)).metrics[1].refresh_from == 28 * DAY


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        ("SELECT remove_retention_policy('agent_metrics')", "agent_metrics: the retention policy is missing"),
        ("CALL remove_columnstore_policy('agent_metrics')", "agent_metrics: the columnstore policy is missing"),
        ("SELECT alter_job(job_id, scheduled => false) FROM timescaledb_information.jobs "
         "WHERE proc_name = 'policy_retention' AND hypertable_name = 'agent_metrics'",
         "agent_metrics: the retention policy is switched off"),
        ("SELECT alter_job(job_id, config => jsonb_set(config, '{drop_after}', '\"500 days\"')) "
         "FROM timescaledb_information.jobs WHERE proc_name = 'policy_retention' AND hypertable_name = 'agent_metrics'",
         "agent_metrics: drop_after of the retention policy is 500 days, the value in force is 30 days"),
        ("SELECT set_chunk_time_interval('agent_metrics', interval '7 days')",
         "agent_metrics: new chunks span 7 days, the value in force is 24 hours"),
        ("ALTER TABLE agent_series_samples SET (timescaledb.segmentby = '')",
         "agent_series_samples: its columnstore is off, or not segmented by series_id"),
        ("ALTER MATERIALIZED VIEW agent_metrics_1h SET (timescaledb.enable_columnstore = false)",
         "agent_metrics_1h: its columnstore is off, or not segmented by agent_device_id"),
        ("SELECT alter_job(job_id, schedule_interval => interval '3 days') FROM agent_storage_jobs() "
         "WHERE relation = 'agent_metrics_1h' AND kind = 'retention'",
         "agent_metrics_1h: the retention policy runs every 3 days only"),
    ],
)  # fmt: skip
async def test_a_change_by_sql_is_named(rolled_back: asyncpg.Connection, statement: str, sentence: str) -> None:
    await rolled_back.execute(statement)
    assert [drift.sentence for drift in await find_drift(rolled_back, utc_now())] == [sentence]


JOBS = "FROM agent_storage_jobs() WHERE relation = 'agent_metrics_1h' AND kind ="


@pytest.mark.parametrize(
    "statement", [
        "CALL remove_columnstore_policy('agent_metrics')",
        f"SELECT alter_job(job_id, scheduled => false) {JOBS} 'columnstore'",
        f"SELECT alter_job(job_id, scheduled => false) {JOBS} 'retention'",
        f"SELECT alter_job(job_id, scheduled => false) {JOBS} 'refresh'",
        f"SELECT alter_job(job_id, schedule_interval => interval '3 days') {JOBS} 'retention'",
        f"SELECT alter_job(job_id, schedule_interval => interval '3 days') {JOBS} 'refresh'",
        "SELECT alter_job(job_id, config => jsonb_set(config, '{compress_after}', '\"90 days\"')) "
        f"{JOBS} 'columnstore'",
        f"SELECT alter_job(job_id, config => jsonb_set(config, '{{end_offset}}', '\"3 hours\"')) {JOBS} 'refresh'",
        f"SELECT alter_job(job_id, config => jsonb_set(config, '{{start_offset}}', '\"3 days\"')) {JOBS} 'refresh'",
        "SELECT set_chunk_time_interval('agent_metrics', interval '7 days')",
        "SELECT set_chunk_time_interval('agent_metrics_1h', interval '7 days')",
    ],
)  # fmt: skip
async def test_the_next_step_that_a_difference_names_mends_it(rolled_back: asyncpg.Connection, statement: str) -> None:
    await rolled_back.execute(statement)
    (drift,) = await find_drift(rolled_back, utc_now())
    await repair(rolled_back, utc_now())
    left = await find_drift(rolled_back, utc_now())
    assert bool(left) is not drift.is_repaired
    if left:
        assert drift.advice == f"{drift.sentence}: {drift.statement}"
        await rolled_back.execute(drift.statement)
        assert await find_drift(rolled_back, utc_now()) == []
    else:
        assert drift.advice == f"{drift.sentence}: `rts-agents retention repair`"


@pytest.mark.parametrize("value", ["soon", "10000000 years", "infinity", ""])
async def test_a_value_that_is_no_length_of_time_stops_no_check(rolled_back: asyncpg.Connection, value: str) -> None:
    await rolled_back.execute(
        "SELECT alter_job(job_id, config => jsonb_set(config, '{start_offset}', to_jsonb($1::text))) "
        "FROM agent_storage_jobs() WHERE relation = 'agent_metrics_1h' AND kind = 'refresh'", value,
    )  # fmt: skip
    await rolled_back.execute("SELECT remove_retention_policy('agent_metrics')")
    assert [drift.sentence for drift in await find_drift(rolled_back, utc_now())] == [
        "agent_metrics: the retention policy is missing",
        "agent_metrics_1h: start_offset of the refresh policy is not a time span",
    ]
    assert await pause_unsafe(rolled_back, utc_now()) == []
    await repair(rolled_back, utc_now())
    assert await find_drift(rolled_back, utc_now()) == []


async def test_an_unsafe_policy_that_cannot_be_paused_stops_no_other(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute(
        "SELECT alter_job(job_id, config => jsonb_set(config, '{start_offset}', 'null')) FROM agent_storage_jobs() "
        "WHERE relation IN ('agent_metrics_5m', 'agent_metrics_1h') AND kind = 'refresh'"
    )
    jobs = {job.relation: job.job_id for job in await list_jobs(rolled_back) if job.kind == "refresh"}
    bad = jobs["agent_metrics_5m"]
    right = await rolled_back.fetchval("SELECT pg_get_functiondef('agent_set_policy'::regproc)")
    await rolled_back.execute(
        right.replace("BEGIN", f"BEGIN IF policy_job = {bad} THEN RAISE EXCEPTION 'no'; END IF;", 1)
    )
    for _ in range(2):  # it is tried again at once, as it would destroy data
        paused = [drift.relation for drift in await pause_unsafe(rolled_back, utc_now())]
        assert (
            await rolled_back.fetchval("SELECT reason FROM agent_isolated_faults WHERE task = 'policy drift'") == "no"
        )
    assert paused == []
    scheduled = "SELECT relation FROM agent_storage_jobs() WHERE scheduled AND kind = 'refresh'"
    names = {row["relation"] for row in await rolled_back.fetch(scheduled)}
    assert "agent_metrics_5m" in names
    assert "agent_metrics_1h" not in names
    await rolled_back.execute(right)
    assert [drift.relation for drift in await pause_unsafe(rolled_back, utc_now())] == ["agent_metrics_5m"]
    assert not await rolled_back.fetchval("SELECT count(*) FROM agent_isolated_faults WHERE task = 'policy drift'")


async def test_a_refresh_without_a_beginning_is_unsafe(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute(
        "SELECT alter_job(job_id, config => jsonb_set(config, '{start_offset}', 'null')) FROM agent_storage_jobs() "
        "WHERE relation = 'agent_metrics_5m' AND kind = 'refresh'"
    )
    unsafe, *_ = await find_drift(rolled_back, utc_now())
    assert unsafe.unsafe
    assert "looks back without limit" in unsafe.sentence


async def test_a_dba_sees_the_change_and_puts_ours_back(
    own_database: str, connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", own_database)
    get_settings.cache_clear()

    async def run(*arguments: str) -> Result:
        return await asyncio.to_thread(lambda: CliRunner().invoke(app, arguments))

    assert (await run("retention", "show")).exit_code == 0
    await shorten_by_sql(connection)
    shown = await run("retention", "show")
    assert shown.exit_code == 1
    assert "UNSAFE" in shown.output
    checked = await run("db", "check")
    assert checked.exit_code == 1
    assert "would replace good rollups with nothing" in checked.output
    name = cast("str", await connection.fetchval("SELECT current_database()"))

    assert (await run("retention", "repair", "--database", f"{name}2")).exit_code != 0
    assert await find_drift(connection, utc_now())
    assert (await run("retention", "repair", "--database", name)).exit_code == 0
    assert await find_drift(connection, utc_now()) == []
    assert (await run("retention", "show")).exit_code == 0
    get_settings.cache_clear()


async def test_repair_adds_a_retention_that_was_removed(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute("SELECT remove_retention_policy('agent_metrics_1h')")
    assert len(await repair(rolled_back, utc_now())) == 1
    assert await find_drift(rolled_back, utc_now()) == []
    assert await repair(rolled_back, utc_now() + timedelta(minutes=1)) == []


async def test_our_own_runner_leaves_an_unsafe_refresh_out(connection: asyncpg.Connection) -> None:
    before = await store_weeks(connection)
    await connection.execute("SELECT drop_chunks('agent_metrics', older_than => INTERVAL '7 days')")
    ran = await PolicyRunner().run_due(connection, utc_now())
    refreshed = {job.relation for job in ran if job.kind == "refresh"}
    assert "agent_metrics_1h" in refreshed
    assert "agent_metrics_5m" not in refreshed
    assert await rolled_up(connection) == before


async def run_all(connection: asyncpg.Connection, kind: str) -> None:
    """Run the jobs of a kind as TimescaleDB's scheduler does: nothing of ours looks at them before."""
    for job in await list_jobs(connection):
        if job.kind == kind:
            await connection.execute(f"CALL run_job({job.job_id})")


async def test_a_refresh_job_keeps_every_bucket_whose_samples_are_dropped(connection: asyncpg.Connection) -> None:
    before = await store_weeks(connection)
    await shorten_by_sql(connection)
    await run_all(connection, "retention")
    oldest = await connection.fetchval("SELECT min(collected_at) FROM agent_metrics")
    assert oldest > utc_now() - 9 * DAY
    await run_all(connection, "refresh")
    assert await rolled_up(connection) == before

    await connection.execute(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) "
        "VALUES ($1, $2, now(), 50)",
        uuid4(), utc_now() - 4 * DAY,
    )  # fmt: skip
    await run_all(connection, "refresh")
    assert await rolled_up(connection) == {name: count + 1 for name, count in before.items()}

    await connection.execute("SELECT drop_chunks('agent_metrics', older_than => now() + INTERVAL '2 days')")
    await run_all(connection, "refresh")
    assert await rolled_up(connection) == {name: count + 1 for name, count in before.items()}


async def test_a_refresh_policy_of_timescaledb_beside_ours_is_paused(rolled_back: asyncpg.Connection) -> None:
    await rolled_back.execute(
        "SELECT add_continuous_aggregate_policy('agent_metrics_5m', NULL, INTERVAL '10 minutes', INTERVAL '5 minutes')"
    )
    (drift,) = await find_drift(rolled_back, utc_now())
    assert drift.unsafe
    assert "remove_continuous_aggregate_policy('agent_metrics_5m')" in drift.sentence
    assert await pause_unsafe(rolled_back, utc_now()) == [drift]
    assert await pause_unsafe(rolled_back, utc_now()) == []
    await rolled_back.execute("SELECT remove_continuous_aggregate_policy('agent_metrics_5m')")
    assert await find_drift(rolled_back, utc_now()) == []
