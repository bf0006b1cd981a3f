"""Baselines and forecasts of instances: live, in the past, and their statements as a rule's explanation shows them."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from alerts.query.explain import explain
from alerts.query.runner import run_queries
from alerts.query.series_baselines import update_series_baselines
from alerts.query.series_forecasts import update_series_forecasts
from alerts.query.term_queries import EvaluationRequest
from alerts.replay.backtest import BacktestSpec, backtest
from alerts.rules.conditions import parse_condition
from alerts.rules.loader import read_rules
from alerts.rules.terms import Rule, Scope
from core.clock import utc_now
from rollups.choose import bucket_start
from rollups.refresh import refresh_level
from tests.devices import Device
from tests.people import Employee
from tests.rules import Rules, alerts_of

MINUTE, HOUR, DAY, WEEK = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
UNUSUAL = {"metric": "disk.percent", "instance": "*", "deviations": 4, "floor": 10}
AHEAD = {"metric": "disk.percent", "instance": "*", "reaches": 100, "within_days": 7}
ADD_SERIES = """
INSERT INTO agent_series (agent_device_id, metric, instance, unit, is_counter, created_at, last_seen_at)
VALUES ($1, $2, $3, $4, $5, now(), now()) RETURNING id
"""
ADD_VALUES = """
INSERT INTO agent_series_samples (series_id, is_counter, collected_at, value)
SELECT $1, $2, v.at, v.value FROM unnest($3::timestamptz[], $4::float8[]) AS v (at, value) ON CONFLICT DO NOTHING
"""
Course = Callable[[datetime], float]


@pytest.fixture(autouse=True)
async def no_other_rules(connection: asyncpg.Connection) -> None:
    await connection.execute("UPDATE agent_alerts SET is_active = false")


async def series(
    connection: asyncpg.Connection, device: Device, instance: str, courses: list[tuple[datetime, float]],
    metric: str = "disk.percent", *, is_counter: bool = False,
) -> int:  # fmt: skip
    """Store what an instance measured, and roll it up."""
    unit = "bytes" if is_counter else "percent"
    series_id: int = await connection.fetchval(ADD_SERIES, device.agent_id, metric, instance, unit, is_counter)
    times, values = [at for at, _ in courses], [value for _, value in courses]
    await connection.execute(ADD_VALUES, series_id, is_counter, times, values)
    for level, width in (("5m", 5 * MINUTE), ("1h", HOUR), ("1d", DAY)):
        first, last = bucket_start(times[0], width), bucket_start(times[-1], width) + width
        await refresh_level(connection, f"agent_series_{level}", first, last)
    return series_id


def hourly(course: Course, since: datetime, hours: int) -> list[tuple[datetime, float]]:
    return [(since + number * HOUR, course(since + number * HOUR)) for number in range(hours)]


def working_week(at: datetime) -> float:
    """Full on Monday mornings, else half empty, with a little noise."""
    return (85 if at.isoweekday() == 1 and 8 <= at.hour < 10 else 45) + (at.day * 7 + at.hour) % 3


def calm(at: datetime) -> float:
    return 45 + (at.day * 7 + at.hour) % 3


async def breached(
    connection: asyncpg.Connection, device: Device, of: dict[str, int], at: datetime, value: float
) -> set[str]:
    """Return the instances of which the baseline rule holds when all had this value in the quarter before `at`."""
    times = [at - minutes * MINUTE for minutes in (1, 6, 11, 16)]
    for series_id in of.values():
        await connection.execute(ADD_VALUES, series_id, False, times, [value] * len(times))
    rule = Rule(uuid4(), Scope(device_id=device.agent_id), parse_condition(UNUSUAL))
    results = await run_queries(connection, [rule], EvaluationRequest([at]))
    return {place[2] for place, terms in results.of_instances.items() if any(one.breached for one in terms.values())}


async def test_baselines_of_two_disks_differ(connection: asyncpg.Connection, device: Device, rules: Rules) -> None:
    await rules.make(device.tenant, UNUSUAL)
    monday = bucket_start(utc_now(), WEEK)
    begin = monday - 3 * WEEK
    of = {
        "C:": await series(connection, device, "C:", hourly(calm, begin, 21 * 24)),
        "D:": await series(connection, device, "D:", hourly(working_week, begin, 21 * 24)),
        "new": await series(connection, device, "new", hourly(calm, monday - WEEK, 7 * 24)),
    }
    await update_series_baselines(connection, utc_now())
    assert await breached(connection, device, of, monday - WEEK + 9 * HOUR + 30 * MINUTE, 88) == {"C:"}
    assert await breached(connection, device, of, monday - 30 * MINUTE, 88) == {"C:", "D:"}
    assert await breached(connection, device, of, monday - 6 * HOUR, 47) == set()


async def test_the_usual_of_a_counter_is_that_of_its_rate(
    connection: asyncpg.Connection, device: Device, rules: Rules
) -> None:
    await rules.make(device.tenant, UNUSUAL | {"metric": "network.rx_bytes"})
    begin, total, course = bucket_start(utc_now(), WEEK) - 3 * WEEK, 0.0, []
    for number in range(21 * 24 * 2):
        total += 1800 * (100 + number % 3)
        course.append((begin + number * 30 * MINUTE, total))
    series_id = await series(connection, device, "eth0", course, "network.rx_bytes", is_counter=True)
    await update_series_baselines(connection, utc_now())
    rows = await connection.fetch("SELECT median FROM agent_series_baselines WHERE series_id = $1", series_id)
    assert len(rows) == 168
    assert all(99 <= row["median"] <= 103 for row in rows)


async def test_a_baseline_of_a_disk_is_renewed_by_the_zone_and_forgotten_with_its_rule(
    connection: asyncpg.Connection, device: Device, rules: Rules
) -> None:
    await rules.make(device.tenant, UNUSUAL)
    series_id = await series(connection, device, "C:", hourly(calm, bucket_start(utc_now(), WEEK) - 3 * WEEK, 21 * 24))
    query = "SELECT DISTINCT time_zone, computed_at FROM agent_series_baselines WHERE series_id = $1"
    now = utc_now()
    await update_series_baselines(connection, now)
    await update_series_baselines(connection, now + HOUR)
    assert [tuple(row) for row in await connection.fetch(query, series_id)] == [("UTC", now)]
    await update_series_baselines(connection, now + HOUR, "Asia/Kathmandu")
    assert [row["time_zone"] for row in await connection.fetch(query, series_id)] == ["Asia/Kathmandu"]
    await connection.execute("UPDATE agent_alerts SET is_active = false")
    await update_series_baselines(connection, now + 5 * DAY)
    assert await connection.fetch(query, series_id) == []


async def test_an_unusual_disk_opens_one_alert(connection: asyncpg.Connection, device: Device, rules: Rules) -> None:
    await rules.make(device.tenant, UNUSUAL)
    monday = bucket_start(utc_now(), WEEK)
    for name in ("C:", "D:"):
        series_id = await series(connection, device, name, hourly(calm, monday - 3 * WEEK, 21 * 24))
        value = 90.0 if name == "D:" else 46.0
        times = [monday - 30 * MINUTE - minutes * MINUTE for minutes in (1, 6, 11, 16)]
        await connection.execute(ADD_VALUES, series_id, False, times, [value] * 4)
    await update_series_baselines(connection, utc_now())
    await rules.evaluate(monday - 30 * MINUTE)
    (alert,) = await alerts_of(device)
    assert "(D:)" in alert["alert_message"]


async def grow(connection: asyncpg.Connection, device: Device, days: int = 16) -> datetime:
    """Store C:, which stays as it is, and D:, which grows by 4 points a day and is full in the end; return the end."""
    end = bucket_start(utc_now(), DAY)
    begin = end - days * DAY
    await series(connection, device, "C:", hourly(lambda _: 40.0, begin, days * 24))
    await series(connection, device, "D:", hourly(lambda at: 30 + 4 * ((at - begin) / DAY), begin, days * 24))
    return end


async def test_a_backtest_finds_the_day_on_which_a_disk_was_forecast_to_be_full(
    connection: asyncpg.Connection, device: Device
) -> None:
    end = await grow(connection, device)
    spec = BacktestSpec(parse_condition(AHEAD), Scope(device.tenant.business_id, device_id=device.agent_id), (), 7)
    result = await backtest(connection, spec, end)
    (outcome,) = result.outcomes
    (tally,) = outcome.tallies
    assert (tally.instance, tally.alerts, tally.tickets) == ("D:", 1, 1)
    assert tally.first
    reached = 30 + 4 * ((tally.first - (end - 16 * DAY)) / DAY)
    assert 71 <= reached <= 73  # 28 points before the end, at 4 a day: a week


async def test_the_past_forecasts_as_live_does(connection: asyncpg.Connection, device: Device, rules: Rules) -> None:
    end = await grow(connection, device)
    await rules.make(device.tenant, AHEAD)
    await update_series_forecasts(connection, end)
    rule = Rule(uuid4(), Scope(device_id=device.agent_id), parse_condition(AHEAD))

    async def judged(*, everything: bool) -> dict[str, tuple[float | None, bool | None]]:
        results = await run_queries(connection, [rule], EvaluationRequest([end], everything=everything))
        return {place[2]: (terms[0].value, terms[0].breached) for place, terms in results.of_instances.items()}

    live, past = await judged(everything=False), await judged(everything=True)
    assert live.keys() == past.keys() == {"D:"}
    assert past["D:"][1] is live["D:"][1] is True
    assert past["D:"][0] == pytest.approx(live["D:"][0], abs=0.05)


async def test_a_disk_that_is_cleaned_every_week_is_judged_by_its_peaks(
    connection: asyncpg.Connection, device: Device, rules: Rules
) -> None:
    end = bucket_start(utc_now(), DAY)
    begin = end - 28 * DAY
    saw = hourly(lambda at: 30 + 5 * ((at - begin).days % 7) + (at - begin).days // 7, begin, 28 * 24)
    series_id = await series(connection, device, "D:", saw)
    await rules.make(device.tenant, AHEAD)
    await update_series_forecasts(connection, end)
    slope = await connection.fetchval(
        "SELECT slope_per_day FROM agent_series_forecasts WHERE series_id = $1", series_id
    )
    assert slope == pytest.approx(1 / 7, abs=0.05)


async def test_two_disks_that_are_full_at_once_are_counted_each(
    connection: asyncpg.Connection, device: Device, client: httpx.AsyncClient, employee: Employee
) -> None:
    end = bucket_start(utc_now(), DAY)
    begin = end - 2 * DAY
    for name, since, until in (("C:", 2, 6), ("D:", 3, 9)):
        course = [
            (begin + number * 5 * MINUTE, 95.0 if since * 12 <= number < until * 12 else 50.0) for number in range(288)
        ]
        await series(connection, device, name, course)
    order = {
        "conditions": {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90},
        "business_id": str(device.tenant.business_id), "agent_device_id": str(device.agent_id), "days": 3,
    }  # fmt: skip
    answer = await client.post("/api/agents/alerts/backtest", json=order, headers=employee.headers)
    assert answer.status_code == 200, answer.text
    (outcome,) = answer.json()["outcomes"]
    assert (outcome["alerts"], outcome["tickets"], outcome["devices"]) == (2, 2, 1)
    assert sorted((one["instance"], round(one["firing_minutes"] / 60)) for one in outcome["worst"]) == [
        ("C:", 4), ("D:", 6),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "table"), [(UNUSUAL, "agent_series_baselines"), (AHEAD, "agent_series_forecasts")]
)
async def test_the_explanation_shows_what_is_compared(
    connection: asyncpg.Connection, device: Device, rules: Rules, condition: dict[str, object], table: str
) -> None:
    rule = await rules.make(device.tenant, condition)
    row = (await read_rules(connection)).rows[UUID(rule["id"])]
    (statement,) = await explain(connection, row, utc_now())
    assert any(table in line for line in statement.plan)
