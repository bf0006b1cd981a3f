"""A row that refuses to change, in the worker's upkeep: missing services, series, rules out of force."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.alerts.scenarios import MINUTE
from tests.alerts.state.test_evaluate import Evaluator, connection, evaluator
from tests.devices import Device, sample
from tests.worker.test_poison import ALERTS, FAULTS, fired, pair, refusing
from worker.series import keep_series
from worker.services import forget_missing_services

__all__ = ["connection", "evaluator", "pair"]  # fixtures
DAY = timedelta(days=1)


async def left(
    connection: asyncpg.Connection, devices: tuple[Device, ...], table: str, where: str = "true"
) -> list[int]:
    """Return how many rows of a table each device has."""
    query = f"SELECT count(*) FROM {table} WHERE agent_device_id = $1 AND {where}"
    return [await connection.fetchval(query, device.agent_id) for device in devices]


async def reasons(connection: asyncpg.Connection, task: str, device: Device) -> list[str]:
    """Return why a device's rows are left out by a task."""
    rows = await connection.fetch(FAULTS, task)
    return [row["reason"] for row in rows if str(device.agent_id) in row["item"]]


async def test_services_of_a_device_that_cant_be_forgotten_keep_no_others(
    evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    now = utc_now()
    for device in pair:
        for at, name in ((now - 9 * DAY, "CDPUserSvc_1"), (now - 8 * DAY, "Spooler")):
            await device.accepted(sample(at, services=[{"name": name, "status": "running"}]))
    gone, table = "service_name = 'CDPUserSvc_1'", "agent_monitored_services"
    async with refusing(evaluator.connection, table, "agent_device_id", pair[0].agent_id, "DELETE"):
        await forget_missing_services(evaluator.connection, now + DAY)
        assert await left(evaluator.connection, pair, table, gone) == [1, 0]
        assert await reasons(evaluator.connection, "missing services", pair[0])
    await forget_missing_services(evaluator.connection, now + DAY + 2 * MINUTE)
    assert await left(evaluator.connection, pair, table, gone) == [0, 0]


async def test_series_of_a_device_that_cant_be_marked_keep_no_others(
    evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    now, usb = utc_now(), {"name": "USB", "percent": 2}
    for device in pair:
        await device.accepted(sample(now - 9 * DAY, disks=[usb]), sample(now, disks=[{"name": "C:", "percent": 1}]))
    await evaluator.connection.execute(
        "UPDATE agent_series SET last_seen_at = $2 WHERE agent_device_id = ANY ($1) AND instance = 'USB'",
        [device.agent_id for device in pair], now - 9 * DAY,
    )  # fmt: skip
    async with refusing(evaluator.connection, "agent_series", "agent_device_id", pair[0].agent_id):
        await keep_series(evaluator.connection, now)
        assert await left(evaluator.connection, pair, "agent_series", "gone_at IS NOT NULL") == [0, 1]
        assert await reasons(evaluator.connection, "series: mark_gone", pair[0])
    await keep_series(evaluator.connection, now + 2 * MINUTE)
    assert await left(evaluator.connection, pair, "agent_series", "gone_at IS NOT NULL") == [1, 1]


async def test_counts_of_series_that_are_refused_stop_no_other_step(
    evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    business, now = pair[0].tenant.business_id, utc_now()
    await pair[0].accepted(sample(now, disks=[{"name": "C:", "percent": 1}]))
    more = "UPDATE agent_series_counts SET live = live + 5 WHERE business_id = $1"
    await evaluator.connection.execute(more, business)
    await evaluator.connection.execute(
        "INSERT INTO agent_series_refusals (agent_device_id, since) VALUES ($1, $2)", pair[0].agent_id, now - 2 * DAY
    )
    async with refusing(evaluator.connection, "agent_series_counts", "business_id", business):
        await keep_series(evaluator.connection, now)
    assert await left(evaluator.connection, pair[:1], "agent_series_refusals") == [0]
    assert [row["item"] for row in await evaluator.connection.fetch(FAULTS, "series")] == ["count_live"]


@pytest.mark.parametrize("change", ["is_active = false", "soft_delete = true"])
async def test_an_alert_of_a_rule_out_of_force_that_cant_end_stops_no_evaluation(
    change: str, evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    rule = await everybodys_rule(evaluator)
    assert await fired(evaluator, pair) == [2, 2]
    await evaluator.connection.execute(f"UPDATE agent_alerts SET {change} WHERE id = $1", rule)
    async with refusing(evaluator.connection, "agent_alert_history", "agent_device_id", pair[0].agent_id):
        assert await evaluate(evaluator.connection, utc_now() + MINUTE) is not None
        assert [await evaluator.connection.fetchval(ALERTS, device.agent_id) for device in pair] == [2, 1]
        assert "refuses" in (await reasons(evaluator.connection, "rules out of force", pair[0]))[0]
    await evaluate(evaluator.connection, utc_now() + 4 * MINUTE)
    assert (await evaluator.connection.fetchval(ALERTS, pair[0].agent_id)) == 1


@pytest.mark.parametrize(("table", "column"), [("agent_alerts", "id"), ("agent_alert_states", "agent_alert_id")])
async def test_a_broken_rule_whose_error_cant_be_written_stops_no_evaluation(
    table: str, column: str, evaluator: Evaluator, pair: tuple[Device, Device]
) -> None:
    rule = await everybodys_rule(evaluator)
    await evaluate(evaluator.connection, utc_now() - 20 * MINUTE)
    await evaluator.connection.execute("UPDATE agent_alerts SET active_hours = '5' WHERE id = $1", rule)
    async with refusing(evaluator.connection, table, column, rule):
        assert await evaluate(evaluator.connection, utc_now()) is not None
    others = f"status = 'active' AND agent_alert_id <> '{rule}'"
    assert await left(evaluator.connection, pair, "agent_alert_history", others) == [1, 1]


async def everybodys_rule(evaluator: Evaluator) -> Any:
    """Return a rule for all businesses that both devices break."""
    busy_cpu = {"metric": "cpu_percent", "operator": ">", "threshold": 90, "duration_minutes": 10}
    return await evaluator.rule(busy_cpu, None)
