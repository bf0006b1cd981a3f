"""A laptop comes back: its late samples judge rules on instances, each disk and interface for itself."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from alerts.tickets.worker import work_tickets
from core.clock import utc_now
from tests.alerts.notify.test_notifications import device
from tests.alerts.replay.test_late_data import look, make_rule, now
from tests.calls import events
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Tenant
from tests.rules import CPU, MINUTE, Rules, alerts_of

__all__ = ["device", "now"]  # fixtures
HOUR = timedelta(hours=1)
FULL = {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90, "duration_minutes": 10}
WAS_FULL = [50, 50, 50, 95, 95, 95, 95, 50, 50, 50, 50, 50]  # an hour of samples, five minutes apart
WAS_FULL_LATER = [50, 50, 50, 50, 50, 97, 97, 97, 97, 50, 50, 50]
WELL = [50] * 12


async def come_back(device: Device, begin: datetime, cpu: float = 1, **disks: Sequence[float]) -> None:
    """Upload what was measured of disks while the device was away."""
    await device.accepted(
        *(
            sample(
                begin + number * 5 * MINUTE,
                cpu_percent=cpu,
                disks=[{"name": f"{name}:", "percent": values[number]} for name, values in disks.items()],
            )
            for number in range(12)
        )
    )


def times(alert: dict[str, Any]) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(alert["triggered_at"]), datetime.fromisoformat(alert["resolved_at"])


def by_instance(alerts: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {alert["instance"]: alert for alert in alerts}


async def test_disks_found_full_late_are_recorded_without_a_ticket(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    rule = await make_rule(rules, pool, dora, conditions=FULL, severity="critical")
    begin = now - 3 * HOUR
    await come_back(device, begin, C=WELL, D=WAS_FULL, E=WAS_FULL_LATER)
    await rules.evaluate(now)
    assert await alerts_of(device) == []
    assert await look(pool, now) == 2
    alerts = by_instance(await alerts_of(device, rules.employee.headers))
    assert alerts.keys() == {"D:", "E:"}
    for instance, value, minutes in (("D:", 95, 20), ("E:", 97, 30)):
        alert = alerts[instance]
        assert (alert["found_late"], alert["status"], alert["severity"]) == (True, "auto_resolved", "critical")
        assert alert["metric_value"] == value
        assert f"({instance})" in alert["alert_message"]
        assert alert["resolution_notes"] == "Found late: its samples came when it was over."
        began, ended = times(alert)
        assert begin + minutes * MINUTE <= began <= begin + (minutes + 10) * MINUTE
        assert began + 10 * MINUTE <= ended <= began + 30 * MINUTE
    course = await rules.transitions({"id": rule})
    assert sorted((one["instance"], one["to_state"], one["reason"]) for one in course) == [
        (instance, state, "found late") for instance in ("D:", "E:") for state in ("firing", "inactive")
    ]
    assert {one["instance"] for one in await rules.transitions({"id": rule}, instance="D:")} == {"D:"}
    noted = [one["data"]["alert_id"] for one in await events(device) if one["event_type"] == "alert_found_late"]
    assert sorted(noted) == sorted(alert["id"] for alert in alerts.values())
    async with pool.acquire() as connection:
        await work_tickets(connection, now)
    query = "SELECT count(*) FROM agent_alert_tickets WHERE business_id = $1"
    assert await pool.fetchval(query, dora.business_id) == 0
    assert await look(pool, now) == 0


async def test_a_rule_of_all_finds_it_for_each_tenant_and_shows_it_to_its_own(
    rules: Rules, make_device: MakeDevice, alice: Tenant, bob: Tenant, charlie: Tenant, pool: asyncpg.Pool,
    now: datetime,
) -> None:  # fmt: skip
    rule = await rules.make(None, FULL)
    await pool.execute("UPDATE agent_alerts SET created_at = $2 WHERE id = $1::text::uuid", rule["id"], now - 24 * HOUR)
    devices = [await make_device(tenant) for tenant in (alice, bob, charlie)]
    for away, values in zip(devices, (WAS_FULL, WAS_FULL_LATER, WELL), strict=True):
        await come_back(away, now - 3 * HOUR, D=values)
    assert await look(pool, now) == 2
    assert [len(await alerts_of(away)) for away in devices] == [1, 1, 0]
    for tenant in (bob, charlie):
        url = f"/api/agents/{devices[0].agent_id}/alerts"
        assert (await devices[0].client.get(url, headers=tenant.headers)).status_code == 404


async def test_a_disk_that_had_an_alert_hides_no_other_disk(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora, conditions=FULL)
    begin = now - 5 * HOUR
    await come_back(device, begin, D=WAS_FULL[2:7] + [95] * 7, E=WELL)
    await rules.evaluate(begin + 56 * MINUTE)
    assert [alert["instance"] for alert in await alerts_of(device)] == ["D:"]
    await pool.execute("UPDATE agent_devices SET late_at = NULL")
    await come_back(device, begin + HOUR + 10 * MINUTE, D=[95] * 9 + [50] * 3, E=WAS_FULL)
    assert await look(pool, now) == 1
    assert [alert["instance"] for alert in await alerts_of(device) if alert["found_late"]] == ["E:"]


async def test_an_ongoing_breach_is_left_to_live_evaluation(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora, conditions=FULL)
    await come_back(device, now - 56 * MINUTE, D=[95] * 12, E=WAS_FULL)
    await rules.evaluate(now)
    assert await look(pool, now) == 1
    alerts = by_instance(await alerts_of(device, rules.employee.headers))
    assert {name: (alert["status"], alert["found_late"]) for name, alert in alerts.items()} == {
        "D:": ("active", False),
        "E:": ("auto_resolved", True),
    }


async def test_the_rate_of_an_interface_is_judged_by_late_samples(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    busy = {"metric": "network.rx_bytes", "instance": "*", "operator": ">", "threshold": 1e6, "duration_minutes": 10}
    await make_rule(rules, pool, dora, conditions=busy)
    rates = {"eth0": [2e6 if value > 90 else 1e3 for value in WAS_FULL], "eth1": [1e3] * 12}
    samples = [
        sample(
            now - 3 * HOUR + number * 5 * MINUTE,
            interfaces=[
                {"name": name, "rx_bytes": int(300 * sum(values[: number + 1])), "tx_bytes": 1}
                for name, values in rates.items()
            ],
        )
        for number in range(12)
    ]
    await device.accepted(*samples)
    assert await look(pool, now) == 1
    (alert,) = await alerts_of(device)
    assert (alert["instance"], alert["found_late"], alert["metric_value"]) == ("eth0", True, 2e6)


async def test_a_condition_on_the_device_counts_for_each_disk(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora, conditions={"all": [FULL, CPU | {"threshold": 80}]})
    await come_back(device, now - 6 * HOUR, cpu=5, D=WAS_FULL)
    assert await look(pool, now) == 0
    await come_back(device, now - 3 * HOUR, cpu=85, C=WELL, D=WAS_FULL)
    assert await look(pool, now) == 1
    assert [alert["instance"] for alert in await alerts_of(device)] == ["D:"]


@pytest.mark.parametrize(
    "why", ["the rule is younger", "in a maintenance window", "a shadow", "a forecast", "excepted", "another's rule"]
)
async def test_late_data_that_breaks_no_rule_records_no_alert(
    rules: Rules, device: Device, dora: Tenant, bob: Tenant, pool: asyncpg.Pool, now: datetime, why: str
) -> None:
    forecast = {"metric": "disk.percent", "instance": "*", "reaches": 90, "within_days": 0.01}
    conditions = {"a forecast": {"any": [FULL, forecast]}, "excepted": FULL | {"except_instances": ["D*"]}}
    age = HOUR if why == "the rule is younger" else 24 * HOUR
    tenant = bob if why == "another's rule" else dora
    await make_rule(rules, pool, tenant, age, conditions=conditions.get(why, FULL), is_shadow=why == "a shadow")
    if why == "in a maintenance window":
        await pool.execute(
            "INSERT INTO agent_maintenance_windows (window_name, agent_device_id, starts_at, ends_at, created_by, "
            "created_at) VALUES ('patching', $1, $2, $3, $4, $2)",
            device.agent_id, now - 4 * HOUR, utc_now() - HOUR, rules.employee.employee_id,
        )  # fmt: skip
    await come_back(device, now - 3 * HOUR, D=WAS_FULL)
    assert await look(pool, now) == 0
    assert await alerts_of(device) == []
