"""Alerts on devices whose clocks are wrong, whose services have gone, which have moved to another business."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from alerts.replay.late_data import find_late
from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.alerts.scenarios import simple
from tests.calls import beat, events, seen
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(database)
    await connection.execute("UPDATE agent_alerts SET is_active = false")  # of other tests
    await connection.execute(
        "UPDATE agent_alert_passes SET at = NULL, resumed_at = NULL"
    )  # other tests came to later instants
    yield connection
    await connection.close()


async def make_rule(device: Device, employee: Employee, conditions: dict[str, Any]) -> None:
    body = {
        "alert_name": "r", "alert_type": "t", "severity": "warning", "conditions": conditions,
        "business_id": str(device.tenant.business_id), "agent_device_id": str(device.agent_id),
    }  # fmt: skip
    response = await device.client.post("/api/agents/alerts", json=body, headers=employee.headers)
    assert response.status_code == 201, response.text


async def statuses(device: Device) -> list[str]:
    response = await device.client.get(f"/api/agents/{device.agent_id}/alerts", headers=device.tenant.headers)
    return [one["status"] for one in response.json()["alerts"]]


@pytest.mark.parametrize("behind", [12 * MINUTE, 3 * HOUR, 26 * HOUR])
async def test_a_clock_that_is_behind_silences_nothing(
    device: Device, employee: Employee, connection: asyncpg.Connection, behind: timedelta
) -> None:
    await make_rule(device, employee, simple())
    now = utc_now()
    await device.accepted(*(sample(now - behind - 5 * step * MINUTE, cpu_percent=99) for step in range(14)))
    await beat(device, timestamp=(now - behind).isoformat())
    await evaluate(connection, utc_now())
    assert await statuses(device) == ["active"]
    (event,) = await events(device, event_type="clock_wrong")
    assert event["data"]["offset_seconds"] == pytest.approx(-behind.total_seconds(), abs=20)
    assert (await seen(device))["clock_off_since"] is not None
    await device.accepted(sample(utc_now(), cpu_percent=1))
    await beat(device)
    assert (await seen(device))["clock_off_since"] is None
    assert len(await events(device, event_type="clock_right")) == 1


ON_TIME = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)
SELECT $1, t, t, 5 FROM generate_series($2::timestamptz - interval '5 hours', $2, interval '5 minutes') t
"""


async def test_a_clock_that_is_set_back_silences_nothing(
    device: Device, employee: Employee, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    disk_rule = {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90, "duration_minutes": 10}
    for conditions in (simple(), disk_rule, {"service": "*", "duration_minutes": 5}):
        await make_rule(device, employee, conditions)
    now, behind = utc_now(), 3 * HOUR
    await pool.execute(ON_TIME, device.agent_id, now - MINUTE)
    disks = [{"name": "C:", "percent": 5}]
    await device.accepted(sample(now, cpu_percent=5, disks=disks, services=listed("Backup", "Spooler")))
    await beat(device)
    disks = [{"name": "C:", "percent": 99}]
    for step in range(13, -1, -1):
        at = now - behind - 5 * step * MINUTE - MINUTE / 4
        await device.accepted(sample(at, cpu_percent=99, disks=disks, services=listed("Backup", status="stopped")))
        if step == 8:
            await beat(device, timestamp=(utc_now() - behind).isoformat())
    shown = await seen(device)
    assert shown["current_metrics"]["cpu_percent"] == 99
    assert [(one["name"], one["status"]) for one in shown["monitored_services"]] == [
        ("Backup", "stopped"), ("Spooler", "stopped"),
    ]  # fmt: skip
    await evaluate(connection, utc_now())
    assert await statuses(device) == ["active"] * 3
    await device.accepted(*(sample(now - 10 * HOUR - age * MINUTE, cpu_percent=7) for age in (0, 5)))  # a backlog
    assert (await seen(device))["current_metrics"]["cpu_percent"] == 99
    await device.accepted(sample(utc_now(), cpu_percent=1, services=listed("Backup", "Spooler")))
    await beat(device)
    shown = await seen(device)
    assert (shown["current_metrics"]["cpu_percent"], shown["clock_off_since"]) == (1, None)
    assert {one["status"] for one in shown["monitored_services"]} == {"running"}


async def test_a_clock_that_was_ahead_and_is_right_again_shows_what_is_now(device: Device) -> None:
    await device.accepted(sample(utc_now() + 9.5 * MINUTE, cpu_percent=99))
    await device.accepted(sample(utc_now(), cpu_percent=1))
    assert (await seen(device))["current_metrics"]["cpu_percent"] == 1


async def test_a_backlog_of_a_device_whose_clock_is_right_raises_nothing(
    device: Device, employee: Employee, connection: asyncpg.Connection
) -> None:
    await make_rule(device, employee, simple())
    now = utc_now()
    await beat(device)
    await device.accepted(*(sample(now - 3 * HOUR - 5 * step * MINUTE, cpu_percent=99) for step in range(14)))
    await evaluate(connection, utc_now())
    assert await statuses(device) == []
    assert await events(device, event_type="clock_wrong") == []


def listed(*names: str, status: str = "running") -> list[dict[str, Any]]:
    return [{"name": name, "status": status} for name in names]


async def test_a_service_that_has_gone_from_the_list_is_missed(
    device: Device, employee: Employee, connection: asyncpg.Connection
) -> None:
    await make_rule(device, employee, {"service": "BackupAgent", "duration_minutes": 5})
    now = utc_now()
    await device.accepted(*(sample(now - age * MINUTE, services=listed("BackupAgent", "Spooler")) for age in (60, 55)))
    await evaluate(connection, now - 54 * MINUTE)
    assert await statuses(device) == []
    for age in (20, 15, 10, 5, 0):
        await device.accepted(sample(now - age * MINUTE, services=listed("Spooler")))
    await device.accepted(sample(now + MINUTE))  # no list says nothing
    await evaluate(connection, now + MINUTE)
    assert await statuses(device) == ["active"]
    services = {one["name"]: one for one in (await seen(device))["monitored_services"]}
    assert services["BackupAgent"]["status"] == "stopped"
    assert services["BackupAgent"]["missing_since"] is not None
    assert services["Spooler"]["missing_since"] is None


async def test_a_list_that_lost_an_entry_says_nothing_of_what_it_lacks(device: Device) -> None:
    now = utc_now()
    await device.accepted(sample(now - 10 * MINUTE, services=listed("BackupAgent", "Spooler")))
    await device.accepted(sample(now, services=[*listed("Spooler"), {"name": ""}]))
    assert {one["status"] for one in (await seen(device))["monitored_services"]} == {"running"}


async def test_any_service_ends_when_the_stopped_one_is_uninstalled(
    device: Device, employee: Employee, connection: asyncpg.Connection
) -> None:
    await make_rule(device, employee, {"service": "*", "duration_minutes": 5})
    now = utc_now() - HOUR
    for age in (10, 0):
        await device.accepted(sample(now - age * MINUTE, services=listed("BackupAgent", status="stopped")))
    await evaluate(connection, now)
    assert await statuses(device) == ["active"]
    for step in range(1, 8):
        await device.accepted(sample(now + 5 * step * MINUTE, services=listed("Spooler")))
        await evaluate(connection, now + 5 * step * MINUTE)
    query = "SELECT status, resolution_notes FROM agent_alert_history WHERE agent_device_id = $1"
    rows = await connection.fetch(query, device.agent_id)
    assert [tuple(row) for row in rows] == [("auto_resolved", "no longer installed: BackupAgent")]


async def test_a_windows_service_is_found_whatever_its_case(
    device: Device, employee: Employee, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    await pool.execute("UPDATE agent_devices SET os_type = 'windows' WHERE id = $1", device.agent_id)
    await make_rule(device, employee, {"service": "w32time", "duration_minutes": 5})
    now = utc_now()
    await device.accepted(*(sample(now - age * MINUTE, services=listed("W32Time", status="stopped")) for age in (9, 0)))
    await evaluate(connection, now)
    assert await statuses(device) == ["active"]
    await device.accepted(sample(now + MINUTE, services=listed("w32time", "W32TIME")))
    (service,) = (await seen(device))["monitored_services"]
    assert (service["name"], service["status"]) == ("W32Time", "running")


async def test_a_device_that_changes_hands_leaves_its_past(
    make_device: MakeDevice, dora: Tenant, employee: Employee, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    device = await make_device()
    body = {"alert_name": "for all", "alert_type": "t", "severity": "warning", "conditions": simple(minutes=1)}
    response = await device.client.post("/api/agents/alerts", json=body, headers=employee.headers)
    assert response.status_code == 201, response.text
    now = utc_now()
    await device.accepted(sample(now - MINUTE, cpu_percent=99, services=listed("Spooler")))
    await evaluate(connection, now)
    assert await statuses(device) == ["active"]
    await pool.execute("UPDATE agent_devices SET business_id = $2 WHERE id = $1", device.agent_id, dora.business_id)
    device.tenant = dora
    assert await statuses(device) == []
    assert [event["event_type"] for event in await events(device)] == ["moved"]
    assert (await seen(device))["monitored_services"] == []
    assert (await device.history(start=(now - HOUR).isoformat(), interval="raw"))["metrics"] == []
    await device.accepted(sample(utc_now() + MINUTE / 6, cpu_percent=98))
    await evaluate(connection, now + MINUTE)
    await evaluate(connection, now + 2 * MINUTE)
    assert await statuses(device) == ["active"]
    former = await pool.fetch(
        "SELECT status, resolution_notes FROM agent_alert_history "
        "WHERE agent_device_id = $1 AND former_owner IS NOT NULL",
        device.agent_id,
    )
    assert [tuple(row) for row in former] == [("auto_resolved", "moved to another business")]
    await pool.execute("UPDATE agent_alerts SET is_active = false WHERE id = $1", response.json()["id"])


PAST_RULES = (
    simple(minutes=1), simple(minutes=30, aggregate="avg"), {"metric": "cpu_percent", "reaches": 95, "within_days": 14},
    {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90, "duration_minutes": 1},
)  # fmt: skip
GROWN = """
INSERT INTO agent_forecasts (agent_device_id, metric, newest, slope_per_day, days, since, computed_at)
VALUES ($1, 'cpu_percent', 93, 2, 20, current_date - 20, now())
"""


async def test_the_past_of_a_device_raises_no_alert_under_its_new_owner(
    make_device: MakeDevice, dora: Tenant, employee: Employee, connection: asyncpg.Connection, pool: asyncpg.Pool
) -> None:
    device = await make_device()
    for conditions in PAST_RULES:
        body = {"alert_name": "for all", "alert_type": "t", "severity": "warning", "conditions": conditions}
        response = await device.client.post("/api/agents/alerts", json=body, headers=employee.headers)
        assert response.status_code == 201, response.text
    await pool.execute("UPDATE agent_alerts SET created_at = now() - interval '2 days' WHERE is_active")
    now = utc_now()
    disks = [{"name": "SECRET:", "percent": 99}]
    await device.accepted(*(sample(now - age * MINUTE, cpu_percent=99, disks=disks) for age in range(0, 31, 5)))
    await pool.execute(GROWN, device.agent_id)
    await evaluate(connection, utc_now())
    assert await statuses(device) == ["active"] * 4
    await pool.execute("UPDATE agent_devices SET business_id = $2 WHERE id = $1", device.agent_id, dora.business_id)
    device.tenant = dora
    await device.accepted(*(sample(now - age * MINUTE, cpu_percent=98, disks=disks) for age in range(60, 91, 5)))
    assert (await seen(device))["current_metrics"] == {}
    for _ in range(3):
        await evaluate(connection, utc_now())
        await find_late(connection, utc_now())
    assert await statuses(device) == []
    assert [event["event_type"] for event in await events(device)] == ["moved"]
    ended = "SELECT count(*) FROM agent_events WHERE agent_device_id = $1 AND event_type = 'alert_resolved'"
    assert await pool.fetchval(ended, device.agent_id) == 4
    await pool.execute("UPDATE agent_alerts SET is_active = false")
