"""A laptop comes back: what its late samples prove is recorded, and nobody is woken for what is over."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg
import pytest

from alerts.replay.late_data import find_late
from alerts.tickets.worker import work_tickets
from core.clock import utc_now
from tests.alerts.notify.test_notifications import device
from tests.api.test_alerts_people import MEMORY
from tests.calls import beat, events
from tests.devices import Device, sample
from tests.people import Tenant
from tests.rules import CPU, MINUTE, Rules, alerts_of, only_alert

__all__ = ["device"]  # a fixture
HOUR = timedelta(hours=1)
BACK = [50, 50, 50, 95, 95, 95, 95, 50, 50, 50, 50, 50]  # an hour of samples, five minutes apart


@pytest.fixture
async def now(pool: asyncpg.Pool) -> datetime:
    """The samples of other tests' devices have been looked at."""
    await pool.execute("UPDATE agent_devices SET late_at = NULL")
    return utc_now().replace(microsecond=0)


async def come_back(device: Device, begin: datetime, values: Sequence[float]) -> None:
    """Upload what was measured while the device was away."""
    await device.accepted(
        *(sample(begin + number * 5 * MINUTE, cpu_percent=value) for number, value in enumerate(values))
    )


async def make_rule(
    rules: Rules, pool: asyncpg.Pool, tenant: Tenant, age: timedelta = 24 * HOUR, **more: object
) -> str:
    """Make a rule that has been there for a day."""
    rule = await rules.make(tenant, **more)
    await pool.execute("UPDATE agent_alerts SET created_at = $2 WHERE id = $1::text::uuid", rule["id"], utc_now() - age)
    return str(rule["id"])


async def look(pool: asyncpg.Pool, now: datetime) -> int:
    async with pool.acquire() as connection:
        return await find_late(connection, now)


async def test_a_breach_that_is_over_is_recorded_without_a_ticket(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    rule = await make_rule(rules, pool, dora, severity="critical", notification_recipients=["noc@msp.example"])
    begin = now - 3 * HOUR
    await come_back(device, begin, BACK)
    await rules.evaluate(now)
    assert await alerts_of(device) == []
    assert await look(pool, now) == 1
    alert = await only_alert(device, rules.employee.headers)
    assert (alert["status"], alert["severity"], alert["metric_value"]) == ("auto_resolved", "critical", 95)
    assert (alert["found_late"], alert["rule_kind"]) == (True, "metric")
    assert alert["resolution_notes"] == "Found late: its samples came when it was over."
    began, ended = (datetime.fromisoformat(alert[name]) for name in ("triggered_at", "resolved_at"))
    assert begin + 20 * MINUTE <= began <= begin + 30 * MINUTE
    assert begin + 40 * MINUTE <= ended <= begin + 50 * MINUTE
    course = [(one["to_state"], one["reason"]) for one in await rules.transitions({"id": rule})]
    assert course == [("inactive", "found late"), ("firing", "found late")]
    alert_events = [one for one in await events(device) if one["event_type"].startswith("alert_")]
    assert [(one["event_type"], one["data"]["alert_id"]) for one in alert_events] == [("alert_found_late", alert["id"])]
    async with pool.acquire() as connection:
        await work_tickets(connection, now)
    query = (
        "SELECT (SELECT count(*) FROM agent_alert_tickets WHERE business_id = $1), "
        "(SELECT count(*) FROM service_requests WHERE business_id = $1), "
        "(SELECT count(*) FROM agent_alert_notifications WHERE agent_alert_history_id = $2::text::uuid)"
    )
    assert tuple(await pool.fetchrow(query, dora.business_id, alert["id"]) or ()) == (0, 0, 0)


async def test_a_second_look_and_two_workers_record_it_once(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora)
    await come_back(device, now - 3 * HOUR, BACK[:6])
    await come_back(device, now - 3 * HOUR + 30 * MINUTE, BACK[6:])
    assert sum(await asyncio.gather(*(look(pool, now) for _ in range(3)))) == 1
    assert await look(pool, now) == 0
    await come_back(device, now - 4 * HOUR, BACK[:2])
    assert await look(pool, now) == 0
    await come_back(device, now - 6 * HOUR, BACK)
    assert await look(pool, now) == 1
    assert len(await alerts_of(device)) == 2


async def test_an_ongoing_breach_is_left_to_live_evaluation(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora)
    await come_back(device, now - 56 * MINUTE, [95] * 12)
    await rules.evaluate(now)
    assert await look(pool, now) == 0
    alert = await only_alert(device)
    assert (alert["status"], alert["found_late"]) == ("active", False)


async def test_a_breach_covered_by_an_alert_is_not_recorded_again(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora)
    fired = await rules.fire(device, ago=3 * HOUR)
    await pool.execute("UPDATE agent_devices SET late_at = NULL")
    await come_back(device, fired + 5 * MINUTE, [95, 50, 95, 95, 95, 50, 50, 50])
    await rules.recover(device, now - 10 * MINUTE)
    assert await look(pool, now) == 0
    assert (await only_alert(device))["status"] == "auto_resolved"


async def test_a_breach_in_which_the_samples_end_ends_with_them(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora)
    begin = now - 5 * HOUR
    await come_back(device, begin, [50, 50, 95, 95, 95, 95])
    assert await look(pool, now) == 1
    ended = datetime.fromisoformat((await only_alert(device))["resolved_at"])
    assert begin + 25 * MINUTE <= ended <= begin + 45 * MINUTE


@pytest.mark.parametrize(
    "why", ["the rule is younger", "in a maintenance window", "a shadow", "on silence", "in time", "another metric"]
)
async def test_late_data_that_breaks_no_rule_records_no_alert(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime, why: str
) -> None:
    conditions = {"on silence": {"any": [CPU, {"no_data_minutes": 5}]}, "another metric": MEMORY}.get(why, CPU)
    age = HOUR if why == "the rule is younger" else 24 * HOUR
    await make_rule(rules, pool, dora, age, conditions=conditions, is_shadow=why == "a shadow")
    if why == "in a maintenance window":
        await pool.execute(
            "INSERT INTO agent_maintenance_windows (window_name, agent_device_id, starts_at, ends_at, created_by, "
            "created_at) VALUES ('patching', $1, $2, $3, $4, $2)",
            device.agent_id, now - 4 * HOUR, now - HOUR, rules.employee.employee_id,
        )  # fmt: skip
    await come_back(device, now - 3 * HOUR, BACK)
    if why == "in time":
        query = "UPDATE agent_metrics SET received_at = collected_at + interval '1 minute' WHERE agent_device_id = $1"
        await pool.execute(query, device.agent_id)
    assert await look(pool, now) == 0
    assert await alerts_of(device) == []


async def test_a_breach_under_a_clock_that_was_behind_is_recorded_once(
    rules: Rules, device: Device, dora: Tenant, pool: asyncpg.Pool, now: datetime
) -> None:
    await make_rule(rules, pool, dora)
    behind = 3 * HOUR
    await come_back(device, now - behind - 40 * MINUTE, [50, 50, 95, 95, 95, 95, 95, 95, 95])
    await beat(device, timestamp=(utc_now() - behind).isoformat())
    await rules.evaluate(now)
    assert (await only_alert(device))["status"] == "active"
    assert await look(pool, now) == 0
    await device.accepted(sample(utc_now(), cpu_percent=5))
    await beat(device)
    assert await look(pool, now) == 0
    assert (await only_alert(device))["status"] == "active"
    await come_back(device, now - 26 * HOUR, BACK)  # of a time in which it was away
    await make_rule(rules, pool, dora, 48 * HOUR)
    assert await look(pool, now) == 1
