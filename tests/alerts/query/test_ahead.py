"""What the worker works out for rules that look ahead or compare with the usual: growth and baselines."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import pytest

from alerts.query.baselines import update_baselines
from alerts.query.forecasts import update_forecasts
from alerts.query.runner import run_queries
from alerts.query.term_queries import EvaluationRequest
from alerts.rules.conditions import parse_condition
from alerts.rules.terms import Rule, Scope
from core.clock import utc_now
from db.hypertables.policies import LEVELS
from rollups.choose import bucket_start
from rollups.refresh import refresh_level
from tests.devices import Device

HOUR, DAY, WEEK = timedelta(hours=1), timedelta(days=1), timedelta(weeks=1)
INSERT_SAMPLES = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, disk_percent, cpu_percent)
SELECT $1, t.at, t.at, t.disk, t.cpu FROM unnest($2::timestamptz[], $3::float8[], $4::float8[]) AS t (at, disk, cpu)
"""
INSERT_RULE = """
INSERT INTO agent_alerts (alert_name, alert_type, severity, agent_device_id, conditions)
VALUES ('Ahead', 'metric', 'warning', $1, $2) RETURNING id
"""
FULL_SOON = {"metric": "disk_percent", "reaches": 95, "within_days": 14}
UNUSUAL = {"metric": "cpu_percent", "deviations": 4, "floor": 20, "duration_minutes": 15}


@pytest.fixture(autouse=True)
async def no_other_rules(connection: asyncpg.Connection) -> None:
    await connection.execute("UPDATE agent_alerts SET is_active = false")


async def put_rule(connection: asyncpg.Connection, device: Device, condition: dict[str, Any]) -> UUID:
    text = msgspec.json.encode(condition).decode()
    rule_id: UUID = await connection.fetchval(INSERT_RULE, device.agent_id, text)
    return rule_id


async def hourly(
    connection: asyncpg.Connection, device: Device, first: datetime, value: Callable[[datetime], float], hours: int
) -> None:
    """Store a sample each hour, of disk and CPU alike, and roll them up."""
    times = [first + number * HOUR for number in range(hours)]
    values = [value(at) for at in times]
    await connection.execute(INSERT_SAMPLES, device.agent_id, times, values, values)
    for level in LEVELS[1:]:
        assert level.refresh_to
        until = bucket_start(min(times[-1] + DAY, utc_now() - level.refresh_to), level.bucket or DAY)
        await refresh_level(connection, level.relation, bucket_start(first, DAY), until)


async def daily(connection: asyncpg.Connection, device: Device, values: Sequence[float]) -> datetime:
    """Store days of samples, the last one yesterday's, and return now."""
    now = utc_now()
    first = bucket_start(now, DAY) - len(values) * DAY
    await hourly(connection, device, first, lambda at: values[(at - first).days], len(values) * 24)
    return now


async def forecast(connection: asyncpg.Connection, device: Device) -> asyncpg.Record | None:
    return await connection.fetchrow("SELECT * FROM agent_forecasts WHERE agent_device_id = $1", device.agent_id)


async def is_near(connection: asyncpg.Connection, device: Device, now: datetime) -> bool:
    rule = Rule(uuid4(), Scope(device_id=device.agent_id), parse_condition(FULL_SOON))
    results = await run_queries(connection, [rule], EvaluationRequest([now]))
    return any(result.breached for terms in results.of.values() for result in terms.values())


async def test_steady_growth_is_foreseen(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, [60 + 1.5 * day for day in range(20)])
    await update_forecasts(connection, now)
    row = await forecast(connection, device)
    assert row
    assert (row["newest"], row["slope_per_day"]) == (88.5, pytest.approx(1.5))
    assert await is_near(connection, device, now)


async def test_one_clean_up_doesnt_hide_the_growth(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, [70 + 2 * day for day in range(10)] + [50 + 2 * day for day in range(10)])
    await update_forecasts(connection, now)
    row = await forecast(connection, device)
    assert row
    assert (row["days"], row["slope_per_day"]) == (10, pytest.approx(2))
    assert await is_near(connection, device, now)  # 68 now and 2 a day: 95 in 13.5 days


@pytest.mark.parametrize("noise", [1.5, 4.0])
async def test_a_noisy_flat_disk_isnt_foreseen_to_be_full(
    connection: asyncpg.Connection, device: Device, noise: float
) -> None:
    chance = random.Random(7)
    await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, [85 + chance.uniform(-noise, noise) for _ in range(26)])
    await update_forecasts(connection, now)
    assert not await is_near(connection, device, now)


async def test_a_few_days_say_nothing(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, [80, 83, 86, 89])
    await update_forecasts(connection, now)
    assert await forecast(connection, device) is None


async def test_a_few_days_after_a_clean_up_end_the_alert(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, [70, 74, 78, 82, 86, 90, 50, 54])
    await update_forecasts(connection, now)
    row = await forecast(connection, device)
    assert row
    assert (row["days"], row["slope_per_day"], row["newest"]) == (2, 0, 54)


async def test_forecasts_without_a_rule_are_deleted(connection: asyncpg.Connection, device: Device) -> None:
    rule = await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, [60 + day for day in range(10)])
    await update_forecasts(connection, now)
    assert await forecast(connection, device)
    await connection.execute("UPDATE agent_alerts SET is_active = false WHERE id = $1", rule)
    await update_forecasts(connection, now + HOUR)
    assert await forecast(connection, device) is None


def week_of_work(at: datetime) -> float:
    """Busy on Monday mornings, else quiet, with a little noise."""
    busy = at.isoweekday() == 1 and 8 <= at.hour < 10
    return (85 if busy else 15) + (at.day * 7 + at.hour) % 5


async def fires(connection: asyncpg.Connection, device: Device, at: datetime, value: float) -> bool:
    """Whether the baseline rule fires when the last quarter of an hour before `at` had this value."""
    times = [at - minutes * timedelta(minutes=1) for minutes in (1, 6, 11, 16)]
    values = [value] * len(times)
    await connection.execute(INSERT_SAMPLES, device.agent_id, times, values, values)
    rule = Rule(uuid4(), Scope(device_id=device.agent_id), parse_condition(UNUSUAL))
    results = await run_queries(connection, [rule], EvaluationRequest([at]))
    return any(result.breached for terms in results.of.values() for result in terms.values())


async def test_a_usual_peak_on_monday_is_none_and_on_sunday_night_is_one(
    connection: asyncpg.Connection, device: Device
) -> None:
    await put_rule(connection, device, UNUSUAL)
    monday = bucket_start(utc_now(), WEEK)
    await hourly(connection, device, monday - 3 * WEEK, week_of_work, 21 * 24)
    now = utc_now()
    await update_baselines(connection, now)
    weeks = await connection.fetchval(
        "SELECT min(weeks) FROM agent_baselines WHERE agent_device_id = $1", device.agent_id
    )
    assert weeks >= 3
    assert not await fires(connection, device, monday - WEEK + timedelta(hours=9, minutes=30), 88)
    assert await fires(connection, device, monday - timedelta(minutes=30), 88)
    assert not await fires(connection, device, monday - timedelta(hours=6), 20)


def work_in(zone: str) -> Callable[[datetime], float]:
    """Busy from nine to ten by the clock of a zone, each working day."""
    clock = ZoneInfo(zone)

    def value(at: datetime) -> float:
        local = at.astimezone(clock)
        return 80 if local.isoweekday() < 6 and local.hour == 9 else 10

    return value


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("place", ["business", "site", "setting"])
async def test_hourly_baselines_hold_after_a_change_to_summer_time(
    connection: asyncpg.Connection, device: Device, zone: str, place: str
) -> None:
    clock = ZoneInfo(zone)
    day = date(2026, 10, 1)  # the change of clocks of each zone in October or November
    while clock.utcoffset(datetime(day.year, day.month, day.day, 12)) == clock.utcoffset(datetime(2026, 9, 29, 12)):
        day += DAY
    morning = datetime(day.year, day.month, day.day, 9, 25, tzinfo=clock) + (8 - day.isoweekday()) % 7 * DAY
    noon = morning.replace(hour=12).astimezone(UTC)
    await hourly(connection, device, bucket_start(morning.astimezone(UTC) - 4 * WEEK, WEEK), work_in(zone), 29 * 24)
    if place != "setting":
        site = device.tenant.location_id if place == "site" else None
        await connection.execute(
            "INSERT INTO agent_time_zones VALUES ($1, $2, $3, now())", device.tenant.business_id, site, zone
        )
    await put_rule(connection, device, UNUSUAL)
    await update_baselines(connection, noon, zone if place == "setting" else "UTC")
    await connection.execute("DELETE FROM agent_time_zones WHERE business_id = $1", device.tenant.business_id)
    for later in range(5):  # each working day of the first week by the new clock
        assert not await fires(connection, device, morning.astimezone(UTC) + later * DAY, 80), later
    assert await fires(connection, device, noon, 80)


async def test_another_zone_has_its_hours_worked_out_at_once(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, UNUSUAL)
    await hourly(connection, device, bucket_start(utc_now(), WEEK) - 3 * WEEK, week_of_work, 21 * 24)
    now = utc_now()
    query = "SELECT DISTINCT time_zone FROM agent_baselines WHERE agent_device_id = $1"
    for zone, expected in (("UTC", "UTC"), ("Asia/Kathmandu", "Asia/Kathmandu"), ("Pacific Standard Time", "UTC")):
        await update_baselines(connection, now, zone)
        now += HOUR
        assert [row["time_zone"] for row in await connection.fetch(query, device.agent_id)] == [expected]


async def test_two_weeks_say_nothing_of_the_usual(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, UNUSUAL)
    await hourly(connection, device, bucket_start(utc_now(), WEEK) - 2 * WEEK, week_of_work, 14 * 24)
    await update_baselines(connection, utc_now())
    query = "SELECT count(*) FROM agent_baselines WHERE agent_device_id = $1"
    assert await connection.fetchval(query, device.agent_id) == 0


async def test_a_baseline_is_renewed_once_a_day(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, UNUSUAL)
    await hourly(connection, device, bucket_start(utc_now(), WEEK) - 3 * WEEK, week_of_work, 21 * 24)
    now = utc_now()
    query = "SELECT max(computed_at) FROM agent_baselines WHERE agent_device_id = $1"
    for later, computed in ((0 * HOUR, now), (23 * HOUR, now), (25 * HOUR, now + 25 * HOUR)):
        await update_baselines(connection, now + later)
        assert await connection.fetchval(query, device.agent_id) == computed


SAWTEETH = [
    [60 + 3 * (day % 7) for day in range(31)],
    [40 + 8 * (day % 7) for day in range(31)],
    [78 + 2 * (day % 7) for day in range(31)],
    [50 + 4 * (day % 10) for day in range(31)],
    [30 + 4 * (day % 14) for day in range(31)],
]


@pytest.mark.parametrize("values", SAWTEETH)
async def test_a_disk_that_is_cleaned_regularly_is_no_growth(
    connection: asyncpg.Connection, device: Device, values: list[float]
) -> None:
    await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, values[:30])
    await update_forecasts(connection, now)
    assert not await is_near(connection, device, now)


async def test_teeth_that_rise_are_growth(connection: asyncpg.Connection, device: Device) -> None:
    await put_rule(connection, device, FULL_SOON)
    now = await daily(connection, device, [40 + 3 * (day % 7) + day for day in range(30)])
    await update_forecasts(connection, now)
    row = await forecast(connection, device)
    assert row
    assert row["slope_per_day"] == pytest.approx(1.0)
    assert await is_near(connection, device, now)
