"""Alerts as customers read them and employees handle them; uploads and portals are told what fires."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from agents.tokens import Tokens
from api.cursors import make_cursor
from tests.calls import answer_of, error_of, events, removed, seen
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant, make_employee
from tests.rules import CPU, MINUTE, Rules, alerts_of, busy, only_alert

MEMORY = {"metric": "memory_percent", "operator": ">", "threshold": 90, "duration_minutes": 10}
HIDDEN = ("acknowledged_by", "resolved_by", "resolution_notes", "ticket_note")


async def open_alerts(client: httpx.AsyncClient, headers: dict[str, str], **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        page = answer_of(await client.get("/api/agents/alerts/open", params=query | cursor, headers=headers))
        found += page["alerts"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


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
    found = await alerts_of(device)
    assert [alert["status"] for alert in found] == ["active", "active", "auto_resolved", "auto_resolved"]
    assert await alerts_of(device, status="active, acknowledged") == found[:2]
    assert await alerts_of(device, status="auto_resolved") == found[2:]
    url = f"/api/agents/{device.agent_id}/alerts"
    first = answer_of(await device.client.get(url, params={"limit": 3}, headers=alice.headers))
    rest = await alerts_of(device, limit=3, cursor=first["next_cursor"])
    assert first["alerts"] + rest == found


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
    made = {
        severity: await rules.make(None, alert_name=severity, severity=severity)
        for severity in ("warning", "info", "critical")
    }
    await rules.fire(*devices)
    pairs = {(rule["id"], str(device.agent_id)) for rule in made.values() for device in devices}

    async def listed(tenant: Tenant | Employee, **query: Any) -> list[dict[str, Any]]:
        found = await open_alerts(client, tenant.headers, **query)
        assert len({alert["id"] for alert in found}) == len(found)
        return [alert for alert in found if (alert["rule_id"], alert["agent_id"]) in pairs]

    for tenant, count in ((alice, 2), (bob, 1), (charlie, 0)):
        found = await listed(tenant, limit=7)
        assert [alert["severity"] for alert in found] == [
            severity for severity in ("critical", "warning", "info") for _ in range(count)
        ]
        assert {alert["business"]["business_name"] for alert in found} <= {tenant.name}
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


# Handled


async def test_who_acknowledges_first_stays(
    rules: Rules, device: Device, alice: Tenant, pool: asyncpg.Pool, tokens: Tokens, employee: Employee
) -> None:
    rule = await rules.make(alice)
    now = await rules.fire(device)
    alert = await only_alert(device)
    first = answer_of(await rules.handle(alert, "acknowledge"))
    assert (first["status"], first["acknowledged_by"]) == ("acknowledged", str(employee.employee_id))
    second = await make_employee(pool, tokens)
    url = f"/api/agents/alerts/history/{alert['id']}/acknowledge"
    assert answer_of(await device.client.post(url, headers=second.headers)) == first
    assert await rules.trail(rule) == ["alert_rule_created", "alert_acknowledged"]
    await rules.recover(device, now + MINUTE)
    assert (await only_alert(device))["status"] == "auto_resolved"


async def test_customers_read_that_it_was_handled_but_not_by_whom(
    rules: Rules, device: Device, alice: Tenant, employee: Employee, client: httpx.AsyncClient
) -> None:
    await rules.make(alice)
    await rules.fire(device)
    alert = await only_alert(device)
    await rules.handle(alert, "acknowledge")
    (shown,) = [one for one in await open_alerts(client, alice.headers) if one["id"] == alert["id"]]
    assert shown["status"] == "acknowledged"
    assert shown["acknowledged_at"]
    assert [shown[name] for name in HIDDEN] == [None] * 4
    await rules.handle(alert, "resolve", notes="the customer's own fault")
    shown = await only_alert(device)
    assert (shown["status"], *(shown[name] for name in HIDDEN)) == ("resolved", None, None, None, None)
    told = await only_alert(device, employee.headers)
    assert (told["resolved_by"], told["resolution_notes"]) == (str(employee.employee_id), "the customer's own fault")


async def test_an_alert_that_is_resolved_by_hand_comes_back_only_after_the_device_has_recovered(
    rules: Rules, device: Device, alice: Tenant
) -> None:
    rule = await rules.make(alice, agent_device_id=str(device.agent_id))
    now = await rules.fire(device)
    alert = await only_alert(device)
    resolved = answer_of(await rules.handle(alert, "resolve"))
    assert (resolved["status"], resolved["resolution_notes"]) == ("resolved", None)
    assert resolved["resolved_at"]
    for minutes in (1, 6, 11):
        await device.accepted(sample(now + minutes * MINUTE, cpu_percent=95))
        await rules.evaluate(now + minutes * MINUTE)
    assert [one["status"] for one in await alerts_of(device)] == ["resolved"]
    recovered = await rules.recover(device, now + 12 * MINUTE)
    assert await alerts_of(device) == [await only_alert(device)]
    assert (await only_alert(device))["resolved_at"] == resolved["resolved_at"]
    await busy(device, recovered + 60 * MINUTE)
    await rules.evaluate(recovered + 60 * MINUTE)
    assert [one["status"] for one in await alerts_of(device)] == ["active", "resolved"]
    assert (await rules.read(rule))["trigger_count"] == 2
    resolutions = [one for one in await events(device) if one["event_type"] == "alert_resolved"]
    assert [one["data"]["alert_id"] for one in resolutions] == [alert["id"]]


async def test_an_alert_that_is_resolved_by_hand_stays_so_through_silence(
    rules: Rules, device: Device, alice: Tenant
) -> None:
    await rules.make(alice)
    now = await rules.fire(device)
    await rules.handle(await only_alert(device), "resolve")
    await rules.evaluate(now + 40 * MINUTE)  # no data
    await busy(device, now + 80 * MINUTE)
    await rules.evaluate(now + 80 * MINUTE)
    assert [one["status"] for one in await alerts_of(device)] == ["resolved"]


async def test_a_snooze_keeps_the_alert_open_and_can_be_taken_back(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice)
    await rules.fire(device)
    alert = await only_alert(device)
    snoozed = answer_of(await rules.handle(alert, "snooze", minutes=30))
    assert (snoozed["status"], (await only_alert(device))["snoozed_until"]) == ("active", snoozed["snoozed_until"])
    assert snoozed["snoozed_until"] > snoozed["triggered_at"]
    assert answer_of(await rules.handle(alert, "snooze", minutes=0))["snoozed_until"] is None
    assert await rules.trail(rule) == ["alert_rule_created", "alert_snoozed", "alert_snoozed"]
    for minutes in (-1, 10_081, "NaN", None):
        assert error_of(await rules.handle(alert, "snooze", minutes=minutes)) == (422, "invalid_request")


async def test_an_alert_that_has_ended_is_not_handled(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice)
    await rules.fire(device)
    alert = await only_alert(device)
    await rules.handle(alert, "resolve")
    for verb, body in (("acknowledge", {}), ("resolve", {"notes": "again"}), ("snooze", {"minutes": 5})):
        assert error_of(await rules.handle(alert, verb, **body)) == (409, "alert_ended")
        assert error_of(await rules.handle({"id": str(uuid4())}, verb, **body)) == (404, "alert_not_found")
    assert await rules.trail(rule) == ["alert_rule_created", "alert_resolved"]


async def test_customers_and_agents_handle_nothing(rules: Rules, device: Device, alice: Tenant, bob: Tenant) -> None:
    await rules.make(alice)
    await rules.fire(device)
    alert = await only_alert(device)
    for verb in ("acknowledge", "resolve", "snooze"):
        for headers, status in ((alice.headers, 403), (bob.headers, 403), (device.headers, 401), ({}, 401)):
            url = f"/api/agents/alerts/history/{alert['id']}/{verb}"
            response = await device.client.post(url, json={"minutes": 5}, headers=headers)
            assert response.status_code == status
    assert (await only_alert(device))["status"] == "active"


@pytest.mark.parametrize("how", ["resolve", "change", "delete"])
async def test_whoever_was_told_of_an_alert_is_told_of_its_end(
    rules: Rules, device: Device, alice: Tenant, pool: asyncpg.Pool, how: str
) -> None:
    only_here = {"agent_device_id": str(device.agent_id), "notification_recipients": ["noc@msp.example"]}
    rule = await rules.make(alice, **only_here)
    await rules.fire(device)
    alert = await only_alert(device)
    of_alert = "agent_alert_history_id = $1::text::uuid"
    await pool.execute(f"UPDATE agent_alert_notifications SET sent_at = now() WHERE {of_alert}", alert["id"])
    if how == "resolve":
        await rules.handle(alert, "resolve")
    elif how == "change":
        await rules.change(rule, conditions=MEMORY)
    else:
        await rules.call("DELETE", rule["id"])
    query = f"SELECT kind, recipient, due_at FROM agent_alert_notifications WHERE {of_alert} ORDER BY id"
    rows = await pool.fetch(query, alert["id"])
    assert [(row["kind"], row["recipient"]) for row in rows] == [
        ("firing", "noc@msp.example"), ("resolved", "noc@msp.example"),
    ]  # fmt: skip
    assert rows[1]["due_at"]


# Uploads


async def test_an_upload_is_told_what_fires_on_its_device(
    rules: Rules, device: Device, make_device: MakeDevice, alice: Tenant
) -> None:
    other = await make_device()
    await rules.make(alice, alert_name="One")
    await rules.make(alice, alert_name="Another of its type")
    await rules.make(alice, MEMORY)
    await rules.make(alice, CPU | {"threshold": 99})
    now = await rules.fire(device)
    assert (await device.accepted(sample(now, cpu_percent=95)))["alerts_triggered"] == ["cpu_percent_high"]
    assert (await other.accepted(sample(now, cpu_percent=95)))["alerts_triggered"] == []
    for age in (1, 6, 11):
        await device.accepted(sample(now - age * MINUTE - MINUTE / 2, memory_percent=95))
    await rules.evaluate(now + MINUTE)
    told = await device.accepted(sample(now + MINUTE, cpu_percent=5))
    assert told["alerts_triggered"] == ["cpu_percent_high", "memory_percent_high"]
    assert (await device.accepted(sample(now + MINUTE, cpu_percent=5)))["duplicates"] == 1
    await rules.evaluate(now + 2 * MINUTE)  # recovering
    assert "cpu_percent_high" in (await device.accepted(sample(now + 3 * MINUTE, cpu_percent=5)))["alerts_triggered"]
    await rules.evaluate(now + 8 * MINUTE)
    assert "cpu_percent_high" not in (await device.accepted())["alerts_triggered"]


async def test_an_upload_isnt_told_what_was_resolved_by_hand(rules: Rules, device: Device, alice: Tenant) -> None:
    await rules.make(alice)
    await rules.fire(device)
    assert (await device.accepted())["alerts_triggered"] == ["cpu_percent_high"]
    await rules.handle(await only_alert(device), "acknowledge")
    assert (await device.accepted())["alerts_triggered"] == ["cpu_percent_high"]
    await rules.handle(await only_alert(device), "resolve")
    assert (await device.accepted())["alerts_triggered"] == []
