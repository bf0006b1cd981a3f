"""Live evaluation: rules in the table, samples uploaded, alerts that open once and end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import pytest

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.alerts.scenarios import MINUTE, simple
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

INSERT_RULE = """
INSERT INTO agent_alerts (alert_name, alert_type, severity, business_id, agent_device_id, conditions, is_shadow,
                          keep_firing_minutes, created_by)
VALUES ($1, 'metric', 'warning', $2, $3, $4, $5, 5, $6) RETURNING id
"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    await connection.execute("UPDATE agent_alerts SET is_active = false")  # of other tests
    await connection.execute("UPDATE agent_alert_passes SET at = NULL, resumed_at = NULL")
    yield connection
    await connection.close()


class Evaluator:
    """Adds rules and evaluates at instants."""

    def __init__(self, connection: asyncpg.Connection, employee: Employee) -> None:
        self.connection = connection
        self._employee = employee

    async def rule(
        self, conditions: Any, business: UUID | None, device: UUID | None = None, *, shadow: bool = False
    ) -> UUID:
        text = msgspec.json.encode(conditions).decode()
        rule_id: UUID = await self.connection.fetchval(
            INSERT_RULE, "High CPU", business, device, text, shadow, self._employee.employee_id
        )
        return rule_id

    async def alerts(self, device: Device) -> list[str]:
        query = "SELECT status FROM agent_alert_history WHERE agent_device_id = $1 ORDER BY triggered_at, id"
        return [row["status"] for row in await self.connection.fetch(query, device.agent_id)]

    async def path(self, device: Device) -> str:
        query = "SELECT to_state FROM agent_alert_transitions WHERE agent_device_id = $1 ORDER BY id"
        return "=>".join(row["to_state"] for row in await self.connection.fetch(query, device.agent_id))


@pytest.fixture
def evaluator(connection: asyncpg.Connection, employee: Employee) -> Evaluator:
    return Evaluator(connection, employee)


async def busy(device: Device, now: datetime, cpu: float, ages: range) -> None:
    """Upload samples of some ages in minutes, five minutes apart."""
    await device.accepted(*(sample(now - age * MINUTE, cpu_percent=cpu) for age in ages))


async def test_a_breach_becomes_one_alert_and_ends(evaluator: Evaluator, device: Device, pool: asyncpg.Pool) -> None:
    rule = await evaluator.rule(simple(), device.tenant.business_id, device.agent_id)
    now = utc_now().replace(microsecond=0)
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    assert await evaluator.alerts(device) == ["active"]
    row = await pool.fetchrow("SELECT * FROM agent_alert_history WHERE agent_device_id = $1", device.agent_id)
    assert row
    assert (row["metric_value"], row["threshold_value"], row["severity"]) == (95, 90, "warning")
    assert row["alert_message"] == "High CPU on server-1: 95 (cpu_percent: all > 90 percent for 10 min)"
    counted = await pool.fetchrow("SELECT trigger_count, last_triggered FROM agent_alerts WHERE id = $1", rule)
    assert counted
    assert (counted["trigger_count"], counted["last_triggered"]) == (1, now)
    for minutes in (1, 2, 3):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    assert await evaluator.alerts(device) == ["active"]
    await device.accepted(sample(now + 4 * MINUTE, cpu_percent=10))
    await evaluate(evaluator.connection, now + 4 * MINUTE)
    await evaluate(evaluator.connection, now + 9 * MINUTE)
    assert await evaluator.alerts(device) == ["auto_resolved"]
    assert await evaluator.path(device) == "firing=>recovering=>inactive"


async def test_the_same_instant_twice_changes_nothing(evaluator: Evaluator, device: Device) -> None:
    await evaluator.rule(simple(), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    assert await evaluate(evaluator.connection, now) is not None
    assert await evaluate(evaluator.connection, now) is None
    assert await evaluate(evaluator.connection, now - MINUTE) is None
    assert (await evaluator.alerts(device), await evaluator.path(device)) == (["active"], "firing")


async def test_two_workers_dont_double(evaluator: Evaluator, device: Device, database: str) -> None:
    await evaluator.rule(simple(), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    others = [await asyncpg.connect(database) for _ in range(3)]
    await asyncio.gather(*(evaluate(one, now) for one in (evaluator.connection, *others)))
    for other in others:
        await other.close()
    assert (await evaluator.alerts(device), await evaluator.path(device)) == (["active"], "firing")


async def test_a_rule_reaches_only_its_business(
    evaluator: Evaluator, make_device: MakeDevice, alice: Tenant, bob: Tenant
) -> None:
    now = utc_now()
    devices = [await make_device(alice), await make_device(bob)]
    for device in devices:
        await busy(device, now, 95, range(1, 30, 5))
    await evaluator.rule(simple(), alice.business_id)
    await evaluator.rule(simple(), alice.business_id, devices[1].agent_id)  # a device of another business
    await evaluate(evaluator.connection, now)
    assert await evaluator.alerts(devices[0]) == ["active"]
    assert await evaluator.alerts(devices[1]) == []


async def test_a_shadow_rule_is_recorded_and_tells_nobody(evaluator: Evaluator, device: Device) -> None:
    await evaluator.rule(simple(), device.tenant.business_id, shadow=True)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    assert (await evaluator.alerts(device), await evaluator.path(device)) == ([], "firing")


async def test_a_silent_device_is_an_alert_and_its_return_ends_it(
    evaluator: Evaluator, device: Device, pool: asyncpg.Pool
) -> None:
    await evaluator.rule({"offline_minutes": 15}, None, device.agent_id)
    now = utc_now()
    await busy(device, now, 10, range(1, 5))
    await evaluate(evaluator.connection, now + 5 * MINUTE)
    assert await evaluator.alerts(device) == []
    for minutes in range(6, 22, 5):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    assert await evaluator.alerts(device) == ["active"]
    query = "UPDATE agent_devices SET last_metrics_received = $2 WHERE id = $1"
    await pool.execute(query, device.agent_id, now + 22 * MINUTE)
    for minutes in (22, 28):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    assert await evaluator.alerts(device) == ["auto_resolved"]


async def test_after_our_own_absence_silence_counts_only_after_two_intervals(
    evaluator: Evaluator, device: Device
) -> None:
    await evaluator.rule({"no_data_minutes": 10}, device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 10, range(1, 5))
    await evaluate(evaluator.connection, now)
    back = now + timedelta(hours=3)
    for minutes in range(0, 10, 2):
        await evaluate(evaluator.connection, back + minutes * MINUTE)
    assert await evaluator.alerts(device) == []
    await evaluate(evaluator.connection, back + 11 * MINUTE)
    assert await evaluator.alerts(device) == ["active"]


async def test_a_device_that_is_deactivated_leaves_its_rules(
    evaluator: Evaluator, device: Device, pool: asyncpg.Pool
) -> None:
    await evaluator.rule(simple(), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    await pool.execute("UPDATE agent_devices SET alerts_enabled = false WHERE id = $1", device.agent_id)
    await evaluate(evaluator.connection, now + MINUTE)
    assert await evaluator.alerts(device) == ["auto_resolved"]


async def test_a_stopped_service_is_named(evaluator: Evaluator, device: Device, pool: asyncpg.Pool) -> None:
    await evaluator.rule({"service": "*", "duration_minutes": 0}, device.tenant.business_id)
    now = utc_now()
    await device.accepted(sample(now - MINUTE, services=[{"name": "nginx", "status": "stopped"}]))
    await evaluate(evaluator.connection, now)
    message = await pool.fetchval(
        "SELECT alert_message FROM agent_alert_history WHERE agent_device_id = $1", device.agent_id
    )
    assert "nginx" in message
    await device.accepted(sample(now + MINUTE, services=[{"name": "nginx", "status": "running"}]))
    for minutes in (2, 8):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    assert await evaluator.alerts(device) == ["auto_resolved"]


async def test_a_rule_that_cant_be_read_says_so_and_the_others_are_evaluated(
    evaluator: Evaluator, device: Device, pool: asyncpg.Pool
) -> None:
    bad = await evaluator.rule({"metric": "nonsense"}, device.tenant.business_id)
    await evaluator.rule(simple(), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    assert await evaluator.alerts(device) == ["active"]
    assert "metric" in await pool.fetchval("SELECT error_message FROM agent_alerts WHERE id = $1", bad)


async def test_in_a_maintenance_window_nothing_begins_to_fire(
    evaluator: Evaluator, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool, employee: Employee
) -> None:
    device = await make_device(dora)
    await evaluator.rule(simple(), device.tenant.business_id)
    now = utc_now()
    await pool.execute(
        "INSERT INTO agent_maintenance_windows (window_name, business_id, starts_at, ends_at, created_by, created_at) "
        "VALUES ('patching', $1, $2, $3, $4, $2)",
        device.tenant.business_id, now - MINUTE, now + 5 * MINUTE, employee.employee_id,
    )  # fmt: skip
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    assert (await evaluator.alerts(device), await evaluator.path(device)) == ([], "pending")
    await device.accepted(sample(now + 4 * MINUTE, cpu_percent=95))
    await evaluate(evaluator.connection, now + 6 * MINUTE)
    assert await evaluator.alerts(device) == ["active"]
