"""The life of series in the worker: gone after a week, back when sent again, forgotten without data, counted."""

from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg
import pytest

from alerts.query.series_forecasts import update_series_forecasts
from core.clock import utc_now
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.devices import Device, sample
from tests.rules import Rules, alerts_of
from worker.series import keep_series

DAY = timedelta(days=1)
AHEAD = {"metric": "disk.percent", "instance": "*", "reaches": 95, "within_days": 14}


async def live(pool: asyncpg.Pool, device: Device) -> dict[str, bool]:
    rows = await pool.fetch("SELECT instance, gone_at FROM agent_series WHERE agent_device_id = $1", device.agent_id)
    return {row["instance"]: row["gone_at"] is None for row in rows}


async def test_a_series_that_nobody_sends_is_gone_comes_back_and_is_forgotten_after_its_data(
    device: Device, pool: asyncpg.Pool
) -> None:
    now = utc_now()
    c, usb = {"name": "C:", "percent": 1}, {"name": "USB", "percent": 2}
    await device.accepted(sample(now - 9 * DAY, disks=[c, usb]), sample(now, disks=[c]))
    await pool.execute(
        "UPDATE agent_series SET last_seen_at = $2 WHERE agent_device_id = $1 AND instance = 'USB'",
        device.agent_id, now - 9 * DAY,
    )  # fmt: skip
    async with pool.acquire() as connection:
        await keep_series(connection, now)
        assert await live(pool, device) == {"C:": True, "USB": False}
        counted = "SELECT live FROM agent_series_counts WHERE business_id = $1"
        before = await pool.fetchval(counted, device.tenant.business_id)

        await device.accepted(sample(now + timedelta(minutes=1), disks=[c, usb]))
        await keep_series(connection, now + timedelta(minutes=2))
        assert await live(pool, device) == {"C:": True, "USB": True}
        assert await pool.fetchval(counted, device.tenant.business_id) == before + 1

        await pool.execute(
            "UPDATE agent_series SET gone_at = $2 WHERE agent_device_id = $1 AND instance = 'USB'",
            device.agent_id, now - 4000 * DAY,
        )  # fmt: skip
        await pool.execute("DELETE FROM agent_series_newest WHERE agent_device_id = $1", device.agent_id)
        await keep_series(connection, now)
        assert await live(pool, device) == {"C:": True}


async def test_a_disk_that_grows_is_forecast_for_itself(
    rules: Rules, device: Device, pool: asyncpg.Pool, database: str
) -> None:
    await pool.execute("UPDATE agent_alerts SET is_active = false")  # of other tests
    now = utc_now()
    start = bucket_start(now, DAY) - 12 * DAY
    await device.accepted(
        *(
            sample(start + day * DAY, disks=[{"name": "C:", "percent": 40}, {"name": "D:", "percent": 50 + 3 * day}])
            for day in range(12)
        )
    )
    connection = await asyncpg.connect(database)
    await refresh_range(connection, start, now, now)
    await rules.make(device.tenant, {"metric": "disk.percent", "instance": "*", "reaches": 100, "within_days": 14})
    await update_series_forecasts(connection, now)
    await connection.close()
    await rules.evaluate(now)
    (alert,) = await alerts_of(device)
    assert "(D:)" in alert["alert_message"]
    assert "growing by 3.00 a day" in alert["alert_message"]


async def grown(rules: Rules, device: Device, database: str, now: datetime, percent: Callable[[int], float]) -> None:
    """Upload 26 days of a disk, roll them up, work out how it grows, and evaluate."""
    start = bucket_start(now, DAY) - 26 * DAY
    await device.accepted(
        *(sample(start + day * DAY, disks=[{"name": "D:", "percent": percent(day)}]) for day in range(26))
    )
    connection = await asyncpg.connect(database)
    await refresh_range(connection, start, now, now)
    await update_series_forecasts(connection, now)
    await connection.close()
    await rules.evaluate(now)


@pytest.mark.parametrize(
    "percent",
    [lambda day: 60 + 3 * (day % 7), lambda day: 40 + 8 * (day % 7), lambda day: 78 + 2 * (day % 7),
     lambda day: 50 + 4 * (day % 10)],
    ids=["60..78", "40..88", "78..90", "50..86"],
)  # fmt: skip
@pytest.mark.parametrize("days_ago", range(0, 7, 2))
async def test_a_disk_that_is_cleaned_regularly_raises_no_forecast(
    rules: Rules, device: Device, database: str, percent: Callable[[int], float], days_ago: int
) -> None:
    await rules.make(device.tenant, AHEAD)
    await grown(rules, device, database, utc_now(), lambda day: percent(day + days_ago))
    assert await alerts_of(device) == []


async def test_a_disk_whose_peaks_rise_from_clean_up_to_clean_up_is_foreseen(
    rules: Rules, device: Device, database: str
) -> None:
    await rules.make(device.tenant, AHEAD)
    await grown(rules, device, database, utc_now(), lambda day: 40 + 3 * (day % 7) + 1.5 * day)
    (alert,) = await alerts_of(device)
    assert "growing by 1.50 a day" in alert["alert_message"]


async def test_a_series_whose_growth_cannot_be_kept_stops_no_other(
    rules: Rules, device: Device, pool: asyncpg.Pool, database: str
) -> None:
    now, start = utc_now(), bucket_start(utc_now(), DAY) - 12 * DAY
    await rules.make(device.tenant, AHEAD)
    for day in range(12):
        both = [{"name": name, "percent": 50 + 3 * day} for name in ("C:", "D:")]
        await device.accepted(sample(start + day * DAY, disks=both))
    refused = await pool.fetchval(
        "SELECT id FROM agent_series WHERE agent_device_id = $1 AND instance = 'C:' AND metric = 'disk.percent'",
        device.agent_id,
    )
    constraint = f"ADD CONSTRAINT refuse CHECK (series_id <> {refused}) NOT VALID"
    await pool.execute(f"ALTER TABLE agent_series_forecasts {constraint}")
    connection = await asyncpg.connect(database)
    try:
        await refresh_range(connection, start, now, now)
        await update_series_forecasts(connection, now)
        kept = """
            SELECT instance FROM agent_series_forecasts JOIN agent_series s ON s.id = series_id
            WHERE agent_device_id = $1
        """
        assert [row[0] for row in await connection.fetch(kept, device.agent_id)] == ["D:"]
        faults = await connection.fetch("SELECT item FROM agent_isolated_faults WHERE task = 'forecasts of series'")
        assert [row["item"] for row in faults] == [f"device:{device.agent_id}:disk.percent of C:"]
    finally:
        await connection.execute("ALTER TABLE agent_series_forecasts DROP CONSTRAINT refuse")
        await connection.execute("DELETE FROM agent_isolated_faults")
        await connection.close()
