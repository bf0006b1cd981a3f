"""Rules on disks where clocks are wrong, owners change, disks are gone or values can't be compared."""

from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from alerts.state.evaluate import evaluate
from core.clock import utc_now
from tests.calls import beat
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Tenant
from tests.rules import Rules, alerts_of

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FULL = {"metric": "disk.percent", "instance": "*", "operator": ">", "threshold": 90, "duration_minutes": 10}
STATE = "SELECT state FROM agent_alert_states WHERE agent_device_id = $1 AND instance = $2"


async def disks(device: Device, until: datetime, count: int = 6, **percents: float) -> None:
    """Upload samples of disks, one each five minutes up to `until`."""
    listed = [{"name": f"{name}:", "percent": value} for name, value in percents.items()]
    await device.accepted(*(sample(until - 5 * step * MINUTE, disks=listed, cpu_percent=1) for step in range(count)))


@pytest.mark.parametrize("behind", [12 * MINUTE, 3 * HOUR, 26 * HOUR])
async def test_a_clock_that_is_behind_silences_no_disk(rules: Rules, device: Device, behind: timedelta) -> None:
    await rules.make(device.tenant, FULL)
    await disks(device, utc_now() - behind, 14, D=95)
    await beat(device, timestamp=(utc_now() - behind).isoformat())
    await rules.evaluate(utc_now())
    assert [alert["status"] for alert in await alerts_of(device)] == ["active"]


async def test_a_disk_of_a_device_that_changes_hands_is_left_to_its_former_owner(
    rules: Rules, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool
) -> None:
    device = await make_device()
    await rules.make(None, FULL)
    now = utc_now()
    await disks(device, now - MINUTE, D=95)
    await rules.evaluate(now)
    assert len(await alerts_of(device)) == 1
    await pool.execute("UPDATE agent_devices SET business_id = $2 WHERE id = $1", device.agent_id, dora.business_id)
    device.tenant = dora
    assert await alerts_of(device) == []
    await disks(device, utc_now(), 1, D=95)
    await rules.evaluate(now + MINUTE)
    await rules.evaluate(now + 2 * MINUTE)
    assert await alerts_of(device) == []  # what the former owner measured doesn't count
    await disks(device, utc_now() + 9 * MINUTE, 2, D=95)
    await rules.evaluate(now + 10 * MINUTE)
    assert [alert["status"] for alert in await alerts_of(device)] == ["active"]
    query = "SELECT resolution_notes FROM agent_alert_history WHERE agent_device_id = $1 AND former_owner IS NOT NULL"
    assert [row[0] for row in await pool.fetch(query, device.agent_id)] == ["moved to another business"]


async def test_a_series_that_cant_be_compared_fails_alone_and_comes_back(
    rules: Rules, make_device: MakeDevice, dora: Tenant, pool: asyncpg.Pool
) -> None:
    poisoned, other = await make_device(), await make_device(dora)
    await pool.execute("DELETE FROM agent_isolated_faults")
    await rules.make(None, FULL)
    await rules.make(None, {"metric": "disk.percent", "instance": "*", "reaches": 100, "within_days": 14})
    now = utc_now()
    for device in (poisoned, other):
        await disks(device, now - MINUTE, D=95)
    forecast = """
        INSERT INTO agent_series_forecasts (series_id, newest, slope_per_day, days, since, computed_at)
        SELECT id, -1e308, 1e-300, 9, now()::date, now() FROM agent_series
        WHERE agent_device_id = $1 AND metric = 'disk.percent'
    """
    await pool.execute(forecast, poisoned.agent_id)
    await rules.evaluate(now)
    assert [len(await alerts_of(device)) for device in (poisoned, other)] == [1, 1]
    faults = await pool.fetch("SELECT item FROM agent_isolated_faults WHERE task = 'alerts'")
    assert [row["item"].startswith(f"device:{poisoned.agent_id}:rule:") for row in faults] == [True]
    await pool.execute("DELETE FROM agent_series_forecasts")
    await rules.evaluate(now + 2 * MINUTE)
    assert await pool.fetch("SELECT item FROM agent_isolated_faults WHERE task = 'alerts'") == []


async def without_disk(rules: Rules, device: Device, pool: asyncpg.Pool, hours: int, after: timedelta) -> str | None:
    """Let D: be full, then send only C: for some hours; return the state of D: at the end."""
    begin = utc_now() - 30 * HOUR
    await rules.make(device.tenant, FULL)
    await disks(device, begin, C=50, D=95)
    await rules.evaluate(begin)
    assert len(await alerts_of(device)) == 1
    await disks(device, begin + hours * HOUR, hours * 12, C=50)
    async with pool.acquire() as connection:
        for hour in range(1, hours + 1):
            await evaluate(connection, begin + hour * HOUR, after)
    state: str | None = await pool.fetchval(STATE, device.agent_id, "D:")
    return state


async def test_a_disk_that_is_no_longer_measured_ends_its_alert_with_that_reason(
    rules: Rules, device: Device, pool: asyncpg.Pool
) -> None:
    assert await without_disk(rules, device, pool, 16, 14 * HOUR) is None
    query = "SELECT status, resolution_notes FROM agent_alert_history WHERE agent_device_id = $1"
    rows = await pool.fetch(query, device.agent_id)
    assert [tuple(row) for row in rows] == [("auto_resolved", "no longer measured")]


@pytest.mark.parametrize("is_gone", [False, True])
async def test_zero_keeps_the_alert_of_a_disk_that_is_no_longer_measured(
    rules: Rules, device: Device, pool: asyncpg.Pool, is_gone: bool
) -> None:
    assert await without_disk(rules, device, pool, 16, timedelta(0)) == "no_data"
    if is_gone:  # as the worker notes after a week
        query = "UPDATE agent_series SET gone_at = now() WHERE agent_device_id = $1 AND instance = 'D:'"
        await pool.execute(query, device.agent_id)
    async with pool.acquire() as connection:
        await evaluate(connection, utc_now() - 13 * HOUR, timedelta(0))
    assert await pool.fetchval(STATE, device.agent_id, "D:") == "no_data"


async def test_a_device_without_data_keeps_the_alert_of_its_disk(
    rules: Rules, device: Device, pool: asyncpg.Pool
) -> None:
    begin = utc_now() - 30 * HOUR
    rule = await rules.make(device.tenant, FULL)
    await disks(device, begin, D=95)
    await rules.evaluate(begin)
    for hour in range(1, 28):
        await rules.evaluate(begin + hour * HOUR)
    query = "SELECT state FROM agent_alert_states WHERE agent_alert_id = $1"
    assert await pool.fetchval(query, UUID(rule["id"])) == "no_data"
