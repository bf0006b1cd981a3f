"""The history API on a real database: levels, the seam between rollup and raw, rates, gaps, tenants."""

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FIVE = 5 * MINUTE


async def refresh(database: str, start: datetime) -> None:
    """Bring the rollups up to date, as the policies would."""
    connection = await asyncpg.connect(database)
    await refresh_range(connection, start, utc_now(), utc_now())
    await connection.close()


async def upload_steps(device: Device, start: datetime, count: int, every: timedelta, **metrics: Any) -> None:
    """Upload `count` samples; a metric given as a function is called with the number of the sample."""
    samples = [
        sample(start + step * every, **{name: f(step) if callable(f) else f for name, f in metrics.items()})
        for step in range(count)
    ]
    receipt = await device.accepted(*samples)
    assert receipt["accepted"] == count


async def test_the_seam_between_rollup_and_raw_loses_and_doubles_nothing(device: Device, database: str) -> None:
    start = bucket_start(utc_now(), HOUR) - 5 * HOUR
    count = int((utc_now() - start) / FIVE)
    await upload_steps(device, start, count // 2, FIVE, cpu_percent=lambda step: step % 100)
    await refresh(database, start)
    await upload_steps(device, start + count // 2 * FIVE, count - count // 2, FIVE, cpu_percent=lambda step: step % 100)
    for interval in ("5m", "1h", "raw"):
        answer = await device.history(start=start.isoformat(), interval=interval, metric="cpu_percent")
        assert sum(row["samples"] for row in answer["metrics"]) == count, interval
    hours = await device.history(start=start.isoformat(), interval="1h", metric="cpu_percent")
    assert [part["level"] for part in hours["segments"]] == ["1h", "raw"]
    assert hours["segments"][0]["end"] == hours["segments"][1]["start"]


async def test_late_samples_show_at_once_at_every_level(device: Device, database: str) -> None:
    start = bucket_start(utc_now(), DAY) - 6 * DAY
    await upload_steps(device, start, 24, HOUR, cpu_percent=10)
    await refresh(database, start)
    await device.accepted(sample(start + 90 * MINUTE, cpu_percent=99))
    for interval in ("raw", "5m", "1h", "1d"):
        answer = await device.history(
            start=start.isoformat(), end=(start + DAY).isoformat(), interval=interval, aggregates="max"
        )
        assert max(row["cpu_percent_max"] for row in answer["metrics"]) == 99, interval
        assert sum(row["samples"] for row in answer["metrics"]) == 25, interval


async def test_a_device_that_is_always_a_little_late_reads_only_its_last_day_raw(
    device: Device, database: str, pool: asyncpg.Pool
) -> None:
    start = bucket_start(utc_now(), DAY) - 20 * DAY
    await upload_steps(device, start, 24, HOUR, cpu_percent=10)  # three weeks late, long ago …
    await refresh(database, start)
    query = "UPDATE agent_devices SET late_from = $2, late_at = $3, late_since = $3 WHERE id = $1"
    await pool.execute(query, device.agent_id, start, utc_now() - 2 * DAY)
    for minutes in (15, 14, 13):  # … and a quarter of an hour late with every upload since
        await device.accepted(sample(minutes * MINUTE, cpu_percent=10))
    row = await pool.fetchrow("SELECT late_from, late_before FROM agent_devices WHERE id = $1", device.agent_id)
    assert row is not None
    assert row["late_from"] > utc_now() - HOUR
    assert row["late_before"] == start
    await pool.execute("UPDATE agent_devices SET late_since = $2 WHERE id = $1", device.agent_id, utc_now() - DAY)
    answer = await device.history(start=start.isoformat(), interval="1h", metric="cpu_percent")
    assert answer["segments"][0]["level"] == "1h"
    assert datetime.fromisoformat(answer["segments"][0]["end"]) > utc_now() - 4 * HOUR
    assert sum(one["samples"] for one in answer["metrics"]) == 27


async def test_a_bucket_across_the_seam_merges_both_parts(device: Device, database: str) -> None:
    end = bucket_start(utc_now(), HOUR)
    start = bucket_start(end - 10 * HOUR, 6 * HOUR)
    count = int((end + HOUR - start) / FIVE)
    await upload_steps(device, start, int((utc_now() - start) / FIVE), FIVE, cpu_percent=lambda step: step % 7)
    await refresh(database, start)
    answer = await device.history(
        start=start.isoformat(), interval="6h", metric="cpu_percent", aggregates="avg,min,max"
    )
    fine = await device.history(start=start.isoformat(), interval="raw", metric="cpu_percent")
    assert count > 72
    for row in answer["metrics"]:
        began = datetime.fromisoformat(row["timestamp"])
        values = [
            one["cpu_percent"]
            for one in fine["metrics"]
            if began <= datetime.fromisoformat(one["timestamp"]) < began + 6 * HOUR
        ]
        assert row["samples"] == len(values)
        assert row["cpu_percent"] == pytest.approx(sum(values) / len(values))
        assert (row["cpu_percent_min"], row["cpu_percent_max"]) == (min(values), max(values))


async def test_average_of_averages_is_not_what_is_shown(device: Device, database: str) -> None:
    start = bucket_start(utc_now(), DAY) - 2 * DAY
    await device.accepted(*(sample(start + step * MINUTE, cpu_percent=0) for step in range(5)))
    await device.accepted(sample(start + 30 * MINUTE, cpu_percent=60))
    await refresh(database, start)
    answer = await device.history(start=start.isoformat(), end=(start + HOUR).isoformat(), interval="1h")
    assert answer["metrics"][0]["cpu_percent"] == 10
    assert answer["level"] == "1h"


@pytest.mark.parametrize("interval", ["5m", "15m", "1h", "6h"])
async def test_samples_without_a_counter_are_passed_over(device: Device, database: str, interval: str) -> None:
    start = bucket_start(utc_now(), 6 * HOUR) - 12 * HOUR
    for first, begin in ((0, start), (1, start + 6 * HOUR)):  # the former half rolled up, the latter raw
        await upload_steps(
            device, begin, 360, MINUTE,
            network_rx_bytes=lambda step, first=first: None if step % 3 == 1 else 6000 * (360 * first + step) % 720_000,
        )  # fmt: skip
        if not first:
            await refresh(database, start)
    until = (start + 12 * HOUR).isoformat()
    answer = await device.history(start=start.isoformat(), end=until, interval=interval, metric="network_rx_bytes")
    rates = [row["network_rx_bytes"] for row in answer["metrics"]]
    assert len(rates) == 12 * HOUR / {"5m": FIVE, "15m": 3 * FIVE, "1h": HOUR, "6h": 6 * HOUR}[interval]
    # 100 bytes/s; each of five resets, at a sample that shows 0, hides a minute of its bucket.
    assert sum(rate < 99.9 for rate in rates) == (2 if interval == "6h" else 5)
    assert all(74.9 <= rate <= 100.001 for rate in rates)
    assert rates[0] == pytest.approx(100, rel=0.01)


@pytest.mark.parametrize("interval", ["raw", "5m", "1h", "6h"])
async def test_a_counter_is_a_rate_at_every_level_and_a_reset_makes_no_spike(
    device: Device, database: str, interval: str
) -> None:
    start = bucket_start(utc_now(), DAY) - 2 * DAY
    await upload_steps(
        device, start, 288, FIVE, network_rx_bytes=lambda step: 3000 * step if step < 100 else 3000 * (step - 99)
    )
    await refresh(database, start)
    answer = await device.history(
        start=(start + HOUR).isoformat(), end=(start + DAY).isoformat(), interval=interval, metric="network_rx_bytes"
    )
    assert answer["units"] == {"network_rx_bytes": "bytes/s"}
    assert {round(row["network_rx_bytes"], 6) for row in answer["metrics"]} == {10.0}


@pytest.mark.parametrize("interval", ["raw", "1m", "5m", "10m", "1h"])
async def test_samples_without_the_counter_dont_bend_its_rate(
    make_device: MakeDevice, database: str, interval: str
) -> None:
    device = await make_device(interval=60)
    start = bucket_start(utc_now(), DAY) - 2 * DAY
    await upload_steps(
        device, start, 180, MINUTE, network_rx_bytes=lambda step: None if step % 7 in (2, 3) else 60_000 * step
    )
    await refresh(database, start)
    answer = await device.history(
        start=(start + HOUR).isoformat(), end=(start + 3 * HOUR).isoformat(), interval=interval,
        metric="network_rx_bytes",
    )  # fmt: skip
    rates = [row["network_rx_bytes"] for row in answer["metrics"] if row["network_rx_bytes"] is not None]
    assert {round(rate, 6) for rate in rates} == {1000.0}
    assert len(rates) >= (120 * 5 // 7 if interval in ("raw", "1m") else len(answer["metrics"]))


async def test_columns_show_gaps_and_rows_leave_them_out(device: Device) -> None:
    start = bucket_start(utc_now() - 2 * HOUR, HOUR)
    await device.accepted(sample(start, cpu_percent=1), sample(start + 4 * FIVE, cpu_percent=2))
    question: dict[str, Any] = {"start": start.isoformat(), "end": (start + HOUR).isoformat(), "interval": "5m"}
    rows = await device.history(**question, metric="cpu_percent")
    assert [row["cpu_percent"] for row in rows["metrics"]] == [1, 2]
    columns = await device.history(**question, metric="cpu_percent", format="columns", aggregates="avg,max")
    assert columns["series"]["cpu_percent"]["avg"] == [1, None, None, None, 2, *[None] * 7]
    assert columns["series"]["cpu_percent"]["max"] == columns["series"]["cpu_percent"]["avg"]
    assert columns["coverage"] == [1, 0, 0, 0, 1, *[0] * 7]
    assert columns["timestamps"][:2] == [start.timestamp(), start.timestamp() + 300]


async def test_null_and_zero_are_told_apart(device: Device) -> None:
    start = bucket_start(utc_now() - HOUR, FIVE)
    await device.accepted(sample(start, cpu_percent=0, memory_percent=None))
    answer = await device.history(start=start.isoformat(), interval="5m", metric="cpu_percent,memory_percent")
    (row,) = answer["metrics"]
    assert (row["cpu_percent"], row["memory_percent"]) == (0, None)


async def test_coverage_counts_by_the_devices_own_interval(make_device: MakeDevice) -> None:
    device = await make_device(interval=60)
    start = bucket_start(utc_now() - HOUR, FIVE)
    await device.accepted(*(sample(start + step * MINUTE, cpu_percent=1) for step in range(3)))
    answer = await device.history(start=start.isoformat(), end=(start + FIVE).isoformat(), interval="5m")
    assert (answer["metrics"][0]["samples"], answer["metrics"][0]["coverage"]) == (3, 0.6)
    assert answer["expected_interval_seconds"] == 60


async def test_a_history_without_parameters_has_the_last_day_of_all_metrics(device: Device) -> None:
    await device.accepted(sample(MINUTE, cpu_percent=5, network_tx_bytes=1))
    answer = await device.history()
    assert answer["metrics"][-1]["cpu_percent"] == 5
    assert len(answer["units"]) == 11
    span = datetime.fromisoformat(answer["end"]) - datetime.fromisoformat(answer["start"])
    assert span == DAY


async def test_a_range_outside_retention_says_so(device: Device) -> None:
    answer = await device.history(start="2017-01-01T00:00:00Z", end="2017-02-01T00:00:00Z", interval="1h")
    assert [warning["code"] for warning in answer["warnings"]] == ["coarser_than_asked"]
    old = await device.history(start="2014-01-01T00:00:00Z", end="2015-02-01T00:00:00Z")
    assert [warning["code"] for warning in old["warnings"]] == ["outside_retention"]
    assert old["metrics"] == []
    columns = await device.history(start="2014-01-01T00:00:00Z", end="2015-02-01T00:00:00Z", format="columns")
    assert columns["timestamps"] == []


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"metric": "cpu"}, "unknown_metric"),
        ({"metric": "cpu_percent; DROP TABLE agent_devices"}, "unknown_metric"),
        ({"interval": "5 minutes"}, "invalid_interval"),
        ({"aggregates": "avg,p95"}, "unknown_aggregate"),
        ({"start": "2026-05-03T00:00:00Z", "end": "2026-05-02T00:00:00Z"}, "invalid_range"),
        ({"start": "2026-05-03T00:00:00"}, "invalid_request"),
        ({"interval": "1s"}, "too_many_points"),
        ({"max_points": 20000}, "invalid_request"),
        ({"format": "csv"}, "invalid_request"),
    ],
)
async def test_a_question_that_cant_be_answered_is_refused(
    client: httpx.AsyncClient, device: Device, query: dict[str, Any], code: str
) -> None:
    url = f"/api/agents/{device.agent_id}/metrics/history"
    response = await client.get(url, params=query, headers=device.tenant.headers)
    assert (response.status_code, response.json()["error"]["code"]) == (422, code)


async def test_unknown_metrics_are_named_all_at_once(client: httpx.AsyncClient, device: Device) -> None:
    url = f"/api/agents/{device.agent_id}/metrics/history?metric=a,cpu_percent,b"
    error = (await client.get(url, headers=device.tenant.headers)).json()["error"]
    assert error["message"].startswith("Unknown metrics: a, b;")
    assert "cpu_percent" in error["details"]


async def test_another_tenants_device_is_not_found(
    client: httpx.AsyncClient, device: Device, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    await device.accepted(sample(MINUTE, cpu_percent=5))
    url = f"/api/agents/{device.agent_id}/metrics/history"
    for stranger in (bob, charlie):
        response = await client.get(url, headers=stranger.headers)
        assert (response.status_code, response.json()["error"]["code"]) == (404, "agent_not_found")
    assert (await client.get(url, headers=employee.headers)).status_code == 200
    assert (await client.get(url)).status_code == 401
    assert (await client.get(url, headers=device.headers)).status_code == 401


async def test_a_day_bucket_is_a_day_in_utc(device: Device, database: str) -> None:
    start = bucket_start(utc_now(), DAY) - 5 * DAY
    await upload_steps(device, start, 3 * 24, HOUR, cpu_percent=lambda step: step // 24)
    await refresh(database, start)
    answer = await device.history(start=start.isoformat(), interval="1d", metric="cpu_percent")
    days = [(datetime.fromisoformat(row["timestamp"]), row["cpu_percent"]) for row in answer["metrics"]]
    assert days == [(start + day * DAY, day) for day in range(3)]
    assert days[0][0].tzinfo == UTC
    assert answer["segments"][0]["level"] == "1d"
