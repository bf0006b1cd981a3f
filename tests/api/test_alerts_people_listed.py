"""Alerts as customers and employees list them: those of a device, and the open ones of all their devices."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.fields.cursors import make_cursor
from tests.api.open_alerts import open_alerts
from tests.calls import answer_of, error_of, removed, seen
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant
from tests.rules import MINUTE, Rules, alerts_of, busy, only_alert

# Of a device


async def test_a_devices_alerts_are_read_by_its_people(
    rules: Rules, device: Device, alice: Tenant, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    rule = await rules.make(alice, severity="critical")
    await rules.fire(device)
    alert = await only_alert(device)
    assert {
        "id", "alert_name", "severity", "status", "triggered_at", "resolved_at", "alert_message", "metric_value",
        "threshold_value", "service_request_created",
    } <= alert.keys()  # fmt: skip
    assert (alert["alert_name"], alert["severity"], alert["status"]) == ("CPU busy", "critical", "active")
    assert (alert["metric_value"], alert["threshold_value"], alert["rule_id"]) == (95, 90, rule["id"])
    assert await alerts_of(device, employee.headers) == [alert]
    url = f"/api/agents/{device.agent_id}/alerts"
    for stranger in (bob, charlie):
        assert error_of(await device.client.get(url, headers=stranger.headers)) == (404, "agent_not_found")
    assert (await device.client.get(url, headers=device.headers)).status_code == 401
    unknown = await device.client.get(f"/api/agents/{uuid4()}/alerts", headers=alice.headers)
    assert error_of(unknown) == (404, "agent_not_found")


async def test_a_device_without_alerts_has_none(rules: Rules, device: Device) -> None:
    assert await alerts_of(device) == []


async def test_alerts_come_newest_first_by_status_and_page(rules: Rules, device: Device, alice: Tenant) -> None:
    await rules.make(alice)
    await rules.make(alice, alert_name="Also")
    now = await rules.fire(device)
    await rules.recover(device, now + MINUTE)
    await busy(device, now + 60 * MINUTE)
    await rules.evaluate(now + 60 * MINUTE)
    alerts = await alerts_of(device)
    assert [alert["status"] for alert in alerts] == ["active", "active", "auto_resolved", "auto_resolved"]
    assert await alerts_of(device, status="active, acknowledged") == alerts[:2]
    assert await alerts_of(device, status="auto_resolved") == alerts[2:]
    url = f"/api/agents/{device.agent_id}/alerts"
    first = answer_of(await device.client.get(url, params={"limit": 3}, headers=alice.headers))
    rest = await alerts_of(device, limit=3, cursor=first["next_cursor"])
    assert first["alerts"] + rest == alerts


@pytest.mark.parametrize("status", ["open", "", "active,", "ACTIVE"])
async def test_a_status_that_isnt_one_is_refused(device: Device, status: str) -> None:
    url = f"/api/agents/{device.agent_id}/alerts"
    response = await device.client.get(url, params={"status": status}, headers=device.tenant.headers)
    assert error_of(response) == (422, "invalid_filter")


async def test_a_shadow_rule_shows_nowhere(rules: Rules, device: Device, alice: Tenant, employee: Employee) -> None:
    await rules.make(alice, is_shadow=True)
    now = await rules.fire(device)
    assert await alerts_of(device, employee.headers) == []
    assert (await seen(device))["active_alerts"] == 0
    assert (await device.accepted(sample(now, cpu_percent=95)))["alerts_triggered"] == []


async def test_the_count_of_a_devices_page_follows(rules: Rules, device: Device, alice: Tenant) -> None:
    await rules.make(alice)
    other = await rules.make(alice, alert_name="Also")
    await rules.fire(device)
    assert (await seen(device))["active_alerts"] == 2
    first, second = await alerts_of(device)
    await rules.handle(first, "acknowledge")
    assert (await seen(device))["active_alerts"] == 2
    by_rule = {alert["rule_id"]: alert for alert in (first, second)}
    await rules.handle(next(alert for rule, alert in by_rule.items() if rule != other["id"]), "resolve")
    assert (await seen(device))["active_alerts"] == 1
    await rules.call("DELETE", other["id"])
    assert (await seen(device))["active_alerts"] == 0


# Open ones


async def test_open_alerts_are_those_of_the_callers_devices_the_worst_first(
    rules: Rules, client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, bob: Tenant, charlie: Tenant
) -> None:
    devices = [await make_device(alice), await make_device(alice), await make_device(bob)]
    rules_by_severity = {
        severity: await rules.make(None, alert_name=severity, severity=severity)
        for severity in ("warning", "info", "critical")
    }
    await rules.fire(*devices)
    pairs = {(rule["id"], str(device.agent_id)) for rule in rules_by_severity.values() for device in devices}

    async def listed(tenant: Tenant | Employee, **query: Any) -> list[dict[str, Any]]:
        alerts = await open_alerts(client, tenant.headers, **query)
        assert len({alert["id"] for alert in alerts}) == len(alerts)
        return [alert for alert in alerts if (alert["rule_id"], alert["agent_id"]) in pairs]

    for tenant, count in ((alice, 2), (bob, 1), (charlie, 0)):
        alerts = await listed(tenant, limit=7)
        assert [alert["severity"] for alert in alerts] == [
            severity for severity in ("critical", "warning", "info") for _ in range(count)
        ]
        assert {alert["business"]["business_name"] for alert in alerts} <= {tenant.name}
    assert len(await listed(rules.employee, limit=4)) == 9
    bobs = await listed(rules.employee, severity="critical,info", business_id=str(bob.business_id))
    assert [(alert["severity"], alert["agent_id"]) for alert in bobs] == [
        ("critical", str(devices[2].agent_id)), ("info", str(devices[2].agent_id)),
    ]  # fmt: skip
    assert await open_alerts(client, alice.headers, business_id=str(bob.business_id)) == []


async def test_alerts_of_a_deleted_device_are_not_listed(
    rules: Rules, client: httpx.AsyncClient, device: Device, alice: Tenant, employee: Employee
) -> None:
    await rules.make(alice)
    await rules.fire(device)
    alert = await only_alert(device)
    await removed(device, employee)
    assert alert["id"] not in {one["id"] for one in await open_alerts(client, employee.headers)}
    assert error_of(await rules.handle(alert, "acknowledge")) == (404, "alert_not_found")


@pytest.mark.parametrize(
    "key",
    [("2", "2026-05-03T14:05:00+00:00"), ("x", "2026-05-03T14:05:00+00:00", uuid4()), ("2", "yesterday", uuid4())],
)
async def test_a_made_up_cursor_is_refused(client: httpx.AsyncClient, alice: Tenant, key: tuple[Any, ...]) -> None:
    params = {"cursor": make_cursor(*key)}
    response = await client.get("/api/agents/alerts/open", params=params, headers=alice.headers)
    assert error_of(response) == (422, "invalid_cursor")


async def test_a_rank_beyond_all_is_just_the_beginning(client: httpx.AsyncClient, alice: Tenant) -> None:
    params = {"cursor": make_cursor(2**62, "2026-05-03T14:05:00+00:00", uuid4())}
    assert (await client.get("/api/agents/alerts/open", params=params, headers=alice.headers)).status_code == 200
