"""Alerts as employees handle them: what customers then read, who is told of the end, what uploads are told."""

from uuid import uuid4

import asyncpg
import httpx
import pytest

from auth.tokens import Tokens
from tests.api.open_alerts import open_alerts
from tests.calls import answer_of, error_of, events
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant, make_employee
from tests.rules import CPU, MINUTE, Rules, alerts_of, busy, only_alert

MEMORY = {"metric": "memory_percent", "operator": ">", "threshold": 90, "duration_minutes": 10}
HIDDEN = ("acknowledged_by", "resolved_by", "resolution_notes", "ticket_note")


# Handled


async def test_the_first_acknowledgement_stays(
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
    alert_row = await only_alert(device, employee.headers)
    assert (alert_row["resolved_by"], alert_row["resolution_notes"]) == (
        str(employee.employee_id),
        "the customer's own fault",
    )


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
async def test_recipients_of_an_alert_are_notified_of_its_end(
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
    receipt = await device.accepted(sample(now + MINUTE, cpu_percent=5))
    assert receipt["alerts_triggered"] == ["cpu_percent_high", "memory_percent_high"]
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
