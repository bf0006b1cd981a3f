"""What a change of an alert rule does: its alerts end or go on, its transitions and its trail say why."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from tests.calls import answer_of
from tests.devices import Device
from tests.people import Tenant
from tests.rules import CPU, MINUTE, Rules, alerts_of, only_alert


async def test_transitions_say_why_newest_first(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice, agent_device_id=str(device.agent_id))
    other = await rules.make(alice, CPU | {"threshold": 99}, agent_device_id=str(device.agent_id))
    now = await rules.fire(device)
    await rules.recover(device, now + MINUTE)
    transitions = await rules.transitions(rule, agent_id=str(device.agent_id))
    assert [(one["from_state"], one["to_state"], one["reason"]) for one in transitions] == [
        ("recovering", "inactive", "recovered"),
        ("firing", "recovering", "behind the recovery threshold"),
        ("inactive", "firing", "breached"),
    ]
    assert (transitions[-1]["value"], transitions[-1]["threshold"], transitions[-1]["device_name"]) == (
        95,
        90,
        "server-1",
    )
    first = answer_of(await rules.call("GET", rule["id"], "transitions", params={"limit": 2}))
    rest = await rules.transitions(rule, limit=2, cursor=first["next_cursor"])
    assert first["transitions"] + rest == transitions
    assert await rules.transitions(other) == []
    shown_rule = await rules.read(rule)
    assert (shown_rule["trigger_count"], shown_rule["open_alerts"]) == (1, 0)
    assert shown_rule["last_triggered"]


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"conditions": CPU | {"threshold": 80}}, "The rule was changed."),
        ({"device_type": "server"}, "The rule was changed."),
        ({"is_shadow": True}, "The rule was changed."),
        ("disable", "The rule was disabled."),
        ("delete", "The rule was deleted."),
    ],
)
async def test_a_rule_that_is_another_ends_its_alerts_with_a_note(
    rules: Rules, device: Device, alice: Tenant, pool: asyncpg.Pool, change: Any, note: str
) -> None:
    rule = await rules.make(alice)
    await rules.fire(device)
    assert (await only_alert(device))["status"] == "active"
    if change == "delete":
        assert (await rules.call("DELETE", rule["id"])).status_code == 204
    elif change == "disable":
        assert answer_of(await rules.call("POST", rule["id"], "disable"))["is_active"] is False
    else:
        await rules.change(rule, **change)
    alert = await only_alert(device, rules.employee.headers)
    assert (alert["status"], alert["resolution_notes"]) == ("resolved", note)
    assert alert["resolved_by"] == str(rules.employee.employee_id)
    assert (
        await pool.fetchval("SELECT count(*) FROM agent_alert_states WHERE agent_device_id = $1", device.agent_id) == 0
    )
    last = await pool.fetchrow(
        "SELECT to_state, reason FROM agent_alert_transitions WHERE agent_device_id = $1 ORDER BY id DESC LIMIT 1",
        device.agent_id,
    )
    assert last and tuple(last) == ("inactive", note)  # noqa: PT018
    assert len(await rules.trail(rule)) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"alert_name": "Other"}, {"severity": "critical"}, {"conditions": CPU | {"threshold": 90.0}},
        {"keep_firing_minutes": 9}, {"description": "x"}, {"ticket_enabled": False}, {"device_type": None},
    ],
)  # fmt: skip
async def test_a_rule_that_says_the_same_goes_on(rules: Rules, device: Device, alice: Tenant, change: Any) -> None:
    rule = await rules.make(alice)
    now = await rules.fire(device)
    changed = await rules.change(rule, **change)
    assert changed["open_alerts"] >= 1
    await rules.evaluate(now + MINUTE)
    assert (await only_alert(device))["status"] == "active"


async def test_a_changed_rule_starts_anew_and_may_fire_at_once(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice)
    now = await rules.fire(device)
    await rules.change(rule, conditions=CPU | {"threshold": 80})
    await rules.evaluate(now + MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["active", "resolved"]


async def test_a_rule_that_is_enabled_again_starts_anew(rules: Rules, device: Device, alice: Tenant) -> None:
    rule = await rules.make(alice)
    now = await rules.fire(device)
    for _ in range(2):
        await rules.call("POST", rule["id"], "disable")
    await rules.evaluate(now + MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["resolved"]
    assert answer_of(await rules.call("POST", rule["id"], "enable"))["is_active"] is True
    await rules.evaluate(now + 2 * MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["active", "resolved"]
    assert await rules.trail(rule) == ["alert_rule_created", "alert_rule_disabled", "alert_rule_enabled"]


async def test_the_trail_says_what_was_before(rules: Rules, alice: Tenant, pool: asyncpg.Pool) -> None:
    rule = await rules.make(alice)
    await rules.change(rule, alert_name="Other", severity="critical")
    query = "SELECT details FROM agent_audit WHERE details ->> 'rule_id' = $1 AND action = 'alert_rule_changed'"
    details = json.loads(await pool.fetchval(query, rule["id"]))
    assert details["changed"] == {"alert_name": "Other", "severity": "critical"}
    assert details["before"] == {"alert_name": "CPU busy", "severity": "warning"}


async def test_a_change_waits_for_the_evaluation_that_has_read_the_rule(
    rules: Rules, device: Device, alice: Tenant, database: str
) -> None:
    rule = await rules.make(alice)
    evaluating = await asyncpg.connect(database)
    async with evaluating.transaction():
        await evaluating.execute("SELECT pg_advisory_xact_lock(hashtext('rts-agents alert pass'))")
        change = asyncio.create_task(rules.change(rule, severity="critical"))
        await asyncio.sleep(0.3)
        assert not change.done()
    assert (await change)["severity"] == "critical"
    await evaluating.close()


async def test_a_rule_that_cant_be_read_says_why_and_is_mended_by_a_change(
    rules: Rules, device: Device, alice: Tenant, pool: asyncpg.Pool
) -> None:
    rule = await rules.make(alice)
    query = "UPDATE agent_alerts SET conditions = $2 WHERE id = $1::text::uuid"
    await pool.execute(query, rule["id"], '{"metric": "nonsense"}')
    await rules.fire(device)
    broken = await rules.read(rule)
    assert broken["in_words"] is None
    assert "nonsense" in broken["error_message"] or "metric" in broken["error_message"]
    mended = await rules.change(rule, conditions=CPU)
    assert (mended["error_message"], mended["error_at"]) == (None, None)
