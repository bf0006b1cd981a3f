"""Rules that an evaluation leaves out: not to be understood, they keep alerts open; out of force, they end them."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import pytest

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.alerts.notify.test_notifications import device
from tests.alerts.scenarios import MINUTE, simple
from tests.alerts.service_desk import ServiceDesk, open_service_desk
from tests.alerts.state.test_evaluate import Evaluator, busy, connection, evaluator
from tests.devices import Device, sample
from tests.people import Employee, Tenant
from tests.rules import Rules, only_alert

__all__ = ["connection", "device", "evaluator"]  # fixtures
AGAIN = "the rule can be evaluated again"


async def rewrite(evaluator: Evaluator, rule: Any, conditions: Any) -> None:
    """Another program writes a rule's conditions."""
    text = msgspec.json.encode(conditions).decode()
    await evaluator.connection.execute("UPDATE agent_alerts SET conditions = $2 WHERE id = $1", rule, text)


async def courses(evaluator: Evaluator, device: Device) -> list[tuple[str, str]]:
    query = "SELECT to_state, reason FROM agent_alert_transitions WHERE agent_device_id = $1 ORDER BY id"
    return [tuple(row) for row in await evaluator.connection.fetch(query, device.agent_id)]


async def fault_of(evaluator: Evaluator, rule: Any) -> str | None:
    query = "SELECT error_message FROM agent_alerts WHERE id = $1"
    fault: str | None = await evaluator.connection.fetchval(query, rule)
    return fault


async def fire_and_break(evaluator: Evaluator, device: Device) -> tuple[Any, datetime]:
    """A rule that fires on the device, and then can't be understood any more; and when it was last evaluated."""
    rule = await evaluator.rule(simple(), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    await rewrite(evaluator, rule, {"metric": "nonsense"})
    return rule, now


# Rules that can't be understood


async def test_an_open_alert_stays_open_in_error_and_goes_on_when_its_rule_is_mended(
    evaluator: Evaluator, device: Device
) -> None:
    rule, now = await fire_and_break(evaluator, device)
    for minutes in (1, 2):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    fault = await fault_of(evaluator, rule)
    assert fault
    assert await courses(evaluator, device) == [("firing", "breached"), ("error", fault)]
    await rewrite(evaluator, rule, simple())
    await evaluate(evaluator.connection, now + 3 * MINUTE)
    assert (await courses(evaluator, device))[2:] == [("firing", AGAIN)]
    assert await evaluator.alerts(device) == ["active"]
    assert await fault_of(evaluator, rule) is None


@pytest.mark.parametrize(
    ("minutes", "samples", "path", "status"),
    [(20, [5], "recovering=>inactive", "auto_resolved"), (60, [], "no_data", "active")],
    ids=["well again", "silent"],
)
async def test_a_mended_rule_is_judged_by_current_data(
    evaluator: Evaluator, device: Device, minutes: int, samples: list[float], path: str, status: str
) -> None:
    rule, now = await fire_and_break(evaluator, device)
    await evaluate(evaluator.connection, now + MINUTE)
    await rewrite(evaluator, rule, simple())
    mended = now + minutes * MINUTE
    for value in samples:
        await device.accepted(sample(now + 4 * MINUTE, cpu_percent=value))
        mended = now + 5 * MINUTE
    for later in (0, 6):
        await evaluate(evaluator.connection, mended + later * MINUTE)
    assert await evaluator.path(device) == f"firing=>error=>{path}"
    assert await evaluator.alerts(device) == [status]


async def test_pending_states_of_a_broken_rule_are_dropped_with_the_reason(
    evaluator: Evaluator, device: Device
) -> None:
    rule = await evaluator.rule(simple(minutes=60), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 10, 5))
    await evaluate(evaluator.connection, now)
    await rewrite(evaluator, rule, {"any": []})
    await evaluate(evaluator.connection, now + MINUTE)
    assert await courses(evaluator, device) == [("pending", "begun"), ("inactive", await fault_of(evaluator, rule))]
    query = "SELECT count(*) FROM agent_alert_states WHERE agent_device_id = $1"
    assert await evaluator.connection.fetchval(query, device.agent_id) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"conditions": [1]}, {"conditions": "x"}, {"conditions": simple(1e300)}, '{"conditions": {"metric": 1e400}}',
        {"active_hours": {"days": 1}}, {"active_hours": [1]},
        {"active_hours": {"days": [1], "from": "8", "to": "18:00", "time_zone": "UTC"}},
        {"active_hours": {"days": [1], "from": "08:00", "to": "18:00", "time_zone": "Mars/Olympus"}},
        {"notification_recipients": {}}, {"notification_channels": "email"},
    ],
)  # fmt: skip
async def test_an_odd_rule_of_another_program_does_not_stop_other_rules(
    evaluator: Evaluator, rules: Rules, device: Device, wrong: dict[str, Any] | str
) -> None:
    rule = await evaluator.rule(simple(), device.tenant.business_id)
    await evaluator.rule(simple(80), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    query = (
        "UPDATE agent_alerts a SET conditions = p.conditions, active_hours = p.active_hours, "
        "notification_recipients = p.notification_recipients, notification_channels = p.notification_channels "
        "FROM agent_alerts b CROSS JOIN jsonb_populate_record(b, $2) p WHERE a.id = $1 AND b.id = a.id"
    )
    text = wrong if isinstance(wrong, str) else msgspec.json.encode(wrong).decode()
    await evaluator.connection.execute(query, rule, text)
    assert await evaluate(evaluator.connection, now)
    assert await evaluator.alerts(device) == ["active"]
    assert await fault_of(evaluator, rule)
    assert (await rules.read({"id": str(rule)}))["error_message"] == await fault_of(evaluator, rule)
    mended: dict[str, Any] = {"conditions": simple(), "active_hours": None, "notification_recipients": []}
    await rules.change({"id": str(rule)}, **mended)
    await evaluate(evaluator.connection, now + MINUTE)
    assert (await rules.read({"id": str(rule)}))["error_message"] is None


async def test_over_http_an_error_is_a_state_with_a_reason(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool
) -> None:
    rule = await rules.make(dora)
    now = await rules.fire(device)
    await pool.execute("UPDATE agent_alerts SET conditions = '{}' WHERE id = $1::text::uuid", rule["id"])
    await rules.evaluate(now + MINUTE)
    newest = (await rules.transitions(rule))[0]
    assert (newest["from_state"], newest["to_state"]) == ("firing", "error")
    assert newest["reason"] == (await rules.read(rule))["error_message"]
    assert (await only_alert(device))["status"] == "active"
    await rules.change(rule, severity="critical", conditions=simple())
    newest = (await rules.transitions(rule))[0]
    assert (newest["from_state"], newest["to_state"], newest["reason"]) == (
        "error",
        "inactive",
        "The rule was changed.",
    )


# Rules out of force


@pytest.mark.parametrize(
    ("change", "note"),
    [("is_active = false", "The rule was disabled."), ("soft_delete = true", "The rule was deleted.")],
)
async def test_a_rule_that_was_switched_off_in_the_table_ends_its_alerts_at_the_next_pass(
    evaluator: Evaluator, device: Device, change: str, note: str
) -> None:
    rule = await evaluator.rule(simple(), device.tenant.business_id)
    now = utc_now()
    await busy(device, now, 95, range(1, 30, 5))
    await evaluate(evaluator.connection, now)
    await evaluator.connection.execute(f"UPDATE agent_alerts SET {change} WHERE id = $1", rule)
    for minutes in (1, 2):
        await evaluate(evaluator.connection, now + minutes * MINUTE)
    assert await courses(evaluator, device) == [("firing", "breached"), ("inactive", note)]
    row = await evaluator.connection.fetchrow(
        "SELECT h.status, h.resolution_notes, h.resolved_at, e.event_type FROM agent_alert_history h "
        "JOIN agent_events e ON e.data ->> 'alert_id' = h.id::text AND e.event_type = 'alert_resolved' "
        "WHERE h.agent_device_id = $1",
        device.agent_id,
    )
    assert row
    assert tuple(row)[:3] == ("auto_resolved", note, now + MINUTE)
    await evaluator.connection.execute(
        "UPDATE agent_alerts SET is_active = true, soft_delete = false WHERE id = $1", rule
    )
    await evaluate(evaluator.connection, now + 3 * MINUTE)
    assert await evaluator.alerts(device) == ["auto_resolved", "active"]


async def test_a_rule_deleted_in_the_table_closes_its_tickets_and_sends_resolved_messages(
    database: str, employee: Employee, dora: Tenant
) -> None:
    async with open_service_desk(database, employee.employee_id, dora.business_id) as desk:
        await end_in_the_table(desk)


async def end_in_the_table(desk: ServiceDesk) -> None:
    rule = await desk.rule()
    recipients = "UPDATE agent_alerts SET notification_recipients = '[\"noc@msp.example\"]' WHERE id = $1"
    await desk.connection.execute(recipients, rule)
    await desk.measure(await desk.devices(1), desk.begin, 95)
    await desk.turn(desk.begin)
    await desk.connection.execute("UPDATE agent_alert_notifications SET sent_at = created_at")
    assert await desk.statuses() == ["Pending"]
    await desk.connection.execute("UPDATE agent_alerts SET is_active = false WHERE id = $1", rule)
    assert await desk.turn(desk.begin + MINUTE) == {"closed": 1}
    assert await desk.statuses() == ["Completed"]
    [alert] = await desk.alerts()
    query = "SELECT kind FROM agent_alert_notifications WHERE agent_alert_history_id = $1 ORDER BY id"
    assert [row["kind"] for row in await desk.connection.fetch(query, alert["id"])] == ["firing", "resolved"]
