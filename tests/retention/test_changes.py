"""Changes of retention: planned, refused, in force after a grace, undone, and seen by everything that keeps data."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast
from uuid import uuid4

import asyncpg
import pytest

from cli.retention_tables import format_rows
from core.clock import utc_now
from db.hypertables.policies import DAY
from db.hypertables.values import read_values
from retention.changes import (
    PlanDamagedError,
    PlanOutdatedError,
    UndoRefusedError,
    WrongDatabaseError,
    apply_due,
    apply_plan,
    list_changes,
    undo_change,
)
from retention.plans import PlanRefusedError, make_plan
from rollups.drift import find_drift
from rollups.refresh import list_jobs, run_job
from tests.retention.conftest import OPERATOR, store_days

GRACE = timedelta(hours=24)


async def name_of(connection: asyncpg.Connection) -> str:
    return cast("str", await connection.fetchval("SELECT current_database()"))


async def document(connection: asyncpg.Connection, large: bool = True, **days: int) -> dict[str, Any]:
    names = {"raw": "raw", "five": "5m", "hour": "1h", "day": "1d"}
    keep = {names[name]: timedelta(days=count) for name, count in days.items()}
    return (await make_plan(connection, keep, utc_now(), GRACE, large=large)).document()


async def applied(connection: asyncpg.Connection, plan: dict[str, Any]) -> int:
    name = await name_of(connection)
    return (await apply_plan(connection, plan, name, OPERATOR, "test", utc_now(), GRACE)).id


async def counts(connection: asyncpg.Connection) -> dict[str, int]:
    return {
        name: await connection.fetchval(f"SELECT count(*) FROM {name}")
        for name in ("agent_metrics", "agent_metrics_5m")
    }


async def run_all_jobs(connection: asyncpg.Connection) -> None:
    """Run retention and then every refresh, as the scheduler would over some hours."""
    for _ in range(2):
        for job in await list_jobs(connection):
            await run_job(connection, job)


async def test_a_plan_says_what_is_dropped_and_writes_nothing(connection: asyncpg.Connection) -> None:
    await store_days(connection)
    before = await counts(connection)
    plan = await document(connection, raw=14, large=False)
    (effect,) = plan["effects"]
    until = effect["until"]
    assert effect["relation"] == "agent_metrics"
    assert effect["rows"] == await connection.fetchval(
        "SELECT count(*) FROM agent_metrics WHERE collected_at < $1::text::timestamptz", until
    )
    assert effect["bytes"] > 0
    assert any("would lose" in one and "--large" in one for one in plan["objections"])
    assert any("raw is kept for 14 days instead of 30" in loss for loss in plan["losses"])
    assert plan["sample_age_days"] == {"before": 27, "after": 11}
    assert await counts(connection) == before
    assert await list_changes(connection) == []


async def test_rows_of_large_relations_come_from_the_catalogue(
    connection: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store_days(connection)
    await connection.execute(
        "SELECT compress_chunk(c) FROM show_chunks('agent_metrics', older_than => INTERVAL '20 days') c"
    )
    await connection.execute("ANALYZE agent_metrics")
    monkeypatch.setattr("retention.effects.COUNTED_BYTES", 0)
    keep, now = {"raw": 14 * DAY}, utc_now()
    (about,) = (await make_plan(connection, keep, now, GRACE, large=True)).effects
    (exact,) = (await make_plan(connection, keep, now, GRACE, large=True, exact=True)).effects
    assert (about.exact, exact.exact) == (False, True)
    assert about.rows == exact.rows > 0
    assert format_rows(asdict(about)) == f"about {exact.rows:,}"
    assert format_rows(asdict(exact)) == f"{exact.rows:,}"


async def test_a_shorter_retention_waits_and_then_drops_and_rollups_stay(connection: asyncpg.Connection) -> None:
    await store_days(connection)
    before = await counts(connection)
    number = await applied(connection, await document(connection, raw=14))
    await run_all_jobs(connection)
    assert await apply_due(connection, utc_now()) is None
    assert await counts(connection) == before
    assert (await read_values(connection)).max_sample_age == 27 * DAY

    later = utc_now() + GRACE
    assert await apply_due(connection, later) == number
    values = await read_values(connection)
    assert (values.level("raw").keep, values.max_sample_age, values.version) == (14 * DAY, 11 * DAY, number)
    assert await find_drift(connection, later) == []
    await run_all_jobs(connection)
    after = await counts(connection)
    assert after["agent_metrics"] < before["agent_metrics"] * 0.6
    assert after["agent_metrics_5m"] == before["agent_metrics_5m"]
    actions = await connection.fetch(
        "SELECT action FROM agent_audit WHERE (details ->> 'change_id')::int = $1 ORDER BY id", number
    )
    assert [row["action"] for row in actions] == ["retention_change_requested", "retention_change_applied"]


async def test_undo_within_the_grace_costs_nothing(connection: asyncpg.Connection) -> None:
    await store_days(connection)
    number = await applied(connection, await document(connection, raw=14))
    assert "nothing was dropped" in await undo_change(connection, number, OPERATOR, utc_now())
    assert await apply_due(connection, utc_now() + 2 * GRACE) is None
    assert (await read_values(connection)).level("raw").keep == 30 * DAY
    with pytest.raises(UndoRefusedError, match="undone already"):
        await undo_change(connection, number, OPERATOR, utc_now())


async def test_a_change_in_force_is_undone_until_a_chunk_is_dropped(connection: asyncpg.Connection) -> None:
    await store_days(connection)
    number = await applied(connection, await document(connection, raw=14))
    await apply_due(connection, utc_now() + GRACE)
    await undo_change(connection, number, OPERATOR, utc_now())
    values = await read_values(connection)
    assert (values.level("raw").keep, values.max_sample_age) == (30 * DAY, 27 * DAY)
    assert await find_drift(connection, utc_now()) == []

    again = await applied(connection, await document(connection, raw=14))
    await apply_due(connection, utc_now() + GRACE)
    await run_all_jobs(connection)
    with pytest.raises(UndoRefusedError, match="agent_metrics before"):
        await undo_change(connection, again, OPERATOR, utc_now())


async def test_a_longer_retention_is_in_force_at_once_and_undoing_it_would_drop(connection: asyncpg.Connection) -> None:
    number = await applied(connection, await document(connection, raw=365))
    assert (await read_values(connection)).level("raw").keep == 365 * DAY
    assert await find_drift(connection, utc_now()) == []
    with pytest.raises(UndoRefusedError, match="keeps raw longer"):
        await undo_change(connection, number, OPERATOR, utc_now())


async def test_a_longer_retention_after_a_short_one_never_refreshes_what_is_gone(
    connection: asyncpg.Connection,
) -> None:
    await store_days(connection)
    before = await counts(connection)
    await applied(connection, await document(connection, raw=14))
    await apply_due(connection, utc_now() + GRACE)
    await run_all_jobs(connection)
    await applied(connection, await document(connection, raw=60))
    values = await read_values(connection)
    assert values.level("raw").keep == 60 * DAY
    assert values.max_sample_age < 14 * DAY
    await run_all_jobs(connection)
    assert (await counts(connection))["agent_metrics_5m"] == before["agent_metrics_5m"]


@pytest.mark.parametrize(
    ("days", "reason"),
    [
        ({"raw": 5}, "devices that were away longer would lose theirs"),
        ({"five": 20}, "a backtest over 30 days would lose data"),
        ({"hour": 60}, "needs chunk <= columnstore_after < keep"),
        ({"raw": 30}, "nothing changes"),
    ],
)
async def test_a_change_below_a_floor_is_refused(
    connection: asyncpg.Connection, days: dict[str, int], reason: str
) -> None:
    plan = await document(connection, True, **days)
    assert any(reason in objection for objection in plan["objections"]), plan["objections"]
    with pytest.raises(PlanRefusedError):
        await applied(connection, plan)
    assert await list_changes(connection) == []


async def test_a_rule_that_would_lose_its_data_is_named(connection: asyncpg.Connection) -> None:
    condition = {"metric": "cpu_percent", "operator": ">", "threshold": 9, "duration_minutes": 60 * 24 * 14}
    await connection.execute(
        "INSERT INTO agent_alerts (id, alert_name, alert_type, severity, conditions) "
        "VALUES ($1, 'two busy weeks', 'threshold', 'warning', $2::jsonb)",
        uuid4(), json.dumps(condition),
    )  # fmt: skip
    plan = await document(connection, hour=62)
    assert plan["objections"] == []
    plan = await document(connection, hour=43)
    assert any('"two busy weeks"' in objection for objection in plan["objections"]), plan["objections"]


async def test_a_plan_that_was_edited_is_refused(connection: asyncpg.Connection) -> None:
    plan = await document(connection, raw=14)
    plan["after"]["raw"] = 10
    with pytest.raises(PlanDamagedError):
        await applied(connection, plan)


async def test_a_plan_for_another_database_is_refused(connection: asyncpg.Connection) -> None:
    plan = await document(connection, raw=60)
    with pytest.raises(WrongDatabaseError):
        await apply_plan(connection, plan, "another", OPERATOR, "test", utc_now(), GRACE)


async def test_a_plan_is_refused_when_the_database_has_changed(connection: asyncpg.Connection) -> None:
    first, second = await document(connection, raw=60), await document(connection, five=120)
    await applied(connection, second)
    with pytest.raises(PlanOutdatedError):
        await applied(connection, first)
    third = await document(connection, raw=60)
    await store_days(connection)  # older chunks than when the plan was made
    assert await applied(connection, third)


async def test_only_one_change_waits(connection: asyncpg.Connection) -> None:
    await applied(connection, await document(connection, raw=20))
    assert any("waits" in one for one in (await document(connection, raw=21))["objections"])


async def test_a_due_change_waits_on_while_a_policy_is_unsafe(connection: asyncpg.Connection) -> None:
    await store_days(connection)
    number = await applied(connection, await document(connection, raw=20))
    await connection.execute("SELECT remove_retention_policy('agent_metrics')")
    await connection.execute("SELECT add_retention_policy('agent_metrics', INTERVAL '7 days')")
    assert await apply_due(connection, utc_now() + GRACE) is None
    await connection.execute("SELECT remove_retention_policy('agent_metrics')")
    await connection.execute("SELECT add_retention_policy('agent_metrics', INTERVAL '30 days')")
    assert await apply_due(connection, utc_now() + GRACE) == number
