"""Charts of whole days by the clock of a time zone, over changes of clocks and zones that begin within an hour."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import hypothesis.strategies as st
import pytest
from hypothesis import given

from db.hypertables.policies import LEVELS
from rollups.choose import bucket_start
from rollups.local_days import day_starts
from rollups.refresh import refresh_level
from tests.calls import path_of
from tests.devices import Device

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SAMPLES = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, network_rx_bytes)
SELECT $1, t.at, t.at, t.cpu, t.bytes FROM unnest($2::timestamptz[], $3::float8[], $4::bigint[]) AS t (at, cpu, bytes)
"""
ZONES = ["Asia/Kathmandu", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "America/New_York"]


async def measure(
    pool: asyncpg.Pool, device: Device, first: datetime, days: int, cpu: Callable[[datetime], float]
) -> None:
    """Store a sample every five minutes; counters grow by a megabyte a second."""
    times = [first + number * timedelta(minutes=5) for number in range(days * 288)]
    counted = [number * 300_000_000 for number in range(len(times))]
    await pool.execute(SAMPLES, device.agent_id, times, [cpu(at) for at in times], counted)


async def roll_up(pool: asyncpg.Pool, first: datetime, until: datetime) -> None:
    for level in LEVELS[1:]:
        assert level.bucket
        begin, end = bucket_start(first, DAY), bucket_start(until, level.bucket)
        if end > begin:
            async with pool.acquire() as connection:
                await refresh_level(connection, level.relation, begin, end)


async def chart(device: Device, zone: str, start: datetime, end: datetime, **more: Any) -> dict[str, Any]:
    query = {"time_zone": zone, "interval": "1d", "start": start.isoformat(), "end": end.isoformat(), **more}
    answer = await device.client.get(path_of(device, "metrics/history"), params=query, headers=device.tenant.headers)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.mark.parametrize("zone", ZONES)
async def test_one_busy_local_day_is_one_busy_point(device: Device, pool: asyncpg.Pool, zone: str) -> None:
    clock = ZoneInfo(zone)
    busy = (datetime.now(clock) - 6 * DAY).date()
    first = datetime.combine(busy - DAY, datetime.min.time(), clock).astimezone(UTC)
    await measure(pool, device, first - HOUR, 4, lambda at: 80 if at.astimezone(clock).date() == busy else 10)
    await roll_up(pool, first - DAY, first + 5 * DAY)
    body = await chart(device, zone, first, first + 3 * DAY, metric="cpu_percent,network_rx_bytes")
    points = {point["timestamp"]: point for point in body["metrics"]}
    days = [first, first + DAY, first + 2 * DAY]
    assert [point["cpu_percent"] for point in body["metrics"]] == [10, 80, 10]
    assert [datetime.fromisoformat(time) for time in points] == days
    assert [round(point["network_rx_bytes"]) for point in body["metrics"]] == [1_000_000] * 3
    assert [point["coverage"] for point in body["metrics"]] == [1, 1, 1]
    columns = await chart(device, zone, first, first + 3 * DAY, metric="cpu_percent", format="columns")
    assert columns["timestamps"] == [day.timestamp() for day in days]
    assert columns["series"]["cpu_percent"]["avg"] == [10, 80, 10]


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Europe/Berlin", date(2026, 10, 25), 25), ("America/New_York", date(2026, 11, 1), 25),
     ("Australia/Lord_Howe", date(2026, 10, 4), 23.5)],
)  # fmt: skip
async def test_a_day_of_changed_clocks_has_all_its_hours(
    device: Device, pool: asyncpg.Pool, zone: str, day: date, hours: float
) -> None:
    first = datetime.combine(day - DAY, datetime.min.time(), ZoneInfo(zone)).astimezone(UTC)
    await measure(pool, device, first, 3, lambda _: 20)
    await roll_up(pool, first - DAY, first + 4 * DAY)
    body = await chart(device, zone, first, first + 70 * HOUR, metric="cpu_percent")
    assert [point["samples"] for point in body["metrics"]][:2] == [288, hours * 12]
    assert body["metrics"][1]["coverage"] == 1


@pytest.mark.parametrize(
    "query",
    [{"time_zone": "Pacific Standard Time"}, {"time_zone": "../UTC"}, {"interval": "1h"}, {"interval": ""},
     {"metric": "disk.percent", "interval": "1h"}, {"time_zone": ""}],
)  # fmt: skip
async def test_queries_without_local_days_are_refused(device: Device, query: dict[str, str]) -> None:
    asked = {"time_zone": "Asia/Kathmandu", "interval": "1d"} | query
    if not asked["interval"]:
        del asked["interval"]
    answer = await device.client.get(path_of(device, "metrics/history"), params=asked, headers=device.tenant.headers)
    assert answer.status_code == 422, answer.text


async def test_other_tenants_see_nothing(device: Device, charlie: Any) -> None:
    query = {"time_zone": "Asia/Kathmandu", "interval": "1d"}
    answer = await device.client.get(path_of(device, "metrics/history"), params=query, headers=charlie.headers)
    assert answer.status_code == 404


@given(
    st.sampled_from([*ZONES, "America/Havana", "Pacific/Apia", "UTC"]),
    st.datetimes(datetime(2011, 1, 1), datetime(2030, 1, 1), timezones=st.just(UTC)),
    st.integers(0, 400), st.sampled_from([1, 2, 7]),
)  # fmt: skip
def test_days_follow_each_other_and_hold_the_range(zone: str, start: datetime, hours: int, days: int) -> None:
    end = start + hours * HOUR + timedelta(seconds=1)
    starts = day_starts(start, end, days, ZoneInfo(zone))
    assert starts[0] <= start
    assert starts[-1] >= end > starts[-2]
    assert starts == sorted(set(starts))
