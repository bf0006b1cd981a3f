"""Presence: a device that falls silent goes from online to warning to offline; what is heard comes back at once."""

from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from core.clock import utc_now
from tests.api.presence import look, pass_time, row_of, witness
from tests.calls import changed, course, events, removed, seen, told
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee

__all__ = ["witness"]  # a fixture


async def status_after(pool: asyncpg.Pool, device: Device, **span: float) -> str:
    """Let time pass, sweep, and return the device's status."""
    await pass_time(pool, device, **span)
    await look(pool)
    return str((await row_of(pool, device))["status"])


async def upload(device: Device) -> None:
    await device.accepted(sample(cpu_percent=1))


async def heartbeat(device: Device) -> None:
    await told(device)


@pytest.mark.parametrize("shows_itself", [heartbeat, upload])
async def test_a_device_falls_silent_and_comes_back(device: Device, pool: asyncpg.Pool, shows_itself: Any) -> None:
    await shows_itself(device)
    assert await status_after(pool, device, seconds=0) == "online"
    assert await status_after(pool, device, seconds=590) == "online"
    assert await status_after(pool, device, seconds=20) == "warning"
    assert await status_after(pool, device, seconds=280) == "warning"
    assert await status_after(pool, device, seconds=20) == "offline"
    assert (await row_of(pool, device))["status_due_at"] is None
    assert await status_after(pool, device, days=30) == "offline"
    await shows_itself(device)
    assert await status_after(pool, device, seconds=0) == "online"
    assert await course(device) == [
        ("offline", "online"), ("online", "warning"), ("warning", "offline"), ("offline", "online"),
    ]  # fmt: skip


async def test_presence_changes_have_a_time_and_a_reason(device: Device, pool: asyncpg.Pool) -> None:
    await told(device)
    assert await status_after(pool, device, seconds=650) == "warning"
    (fell, _) = await events(device, event_type="status_changed")
    silent_since = fell["data"].pop("silent_since")
    assert fell["data"] == {"from": "online", "to": "warning", "why": "it fell silent"}
    assert datetime.fromisoformat(silent_since) == (await row_of(pool, device))["last_heartbeat"]
    since = datetime.fromisoformat((await seen(device))["status_changed_at"])
    assert since == datetime.fromisoformat(fell["occurred_at"])
    assert utc_now() - since < timedelta(seconds=30)


async def test_a_device_heard_again_in_the_stage_of_warning_was_never_offline(
    device: Device, pool: asyncpg.Pool
) -> None:
    await told(device)
    assert await status_after(pool, device, seconds=700) == "warning"
    await told(device)
    assert await status_after(pool, device, seconds=590) == "online"
    assert [to for _, to in await course(device)] == ["online", "warning", "online"]


async def test_a_long_silence_is_offline_at_once(device: Device, pool: asyncpg.Pool) -> None:
    await told(device)
    assert await status_after(pool, device, hours=1) == "offline"
    assert [to for _, to in await course(device)] == ["online", "offline"]


async def test_a_device_that_only_uploads_is_expected_by_its_own_interval(
    make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    often, seldom = await make_device(interval=60), await make_device(interval=3600)
    for device in (often, seldom):
        await upload(device)
        await look(pool)
    assert await status_after(pool, often, seconds=130) == "warning"
    assert await status_after(pool, often, seconds=60) == "offline"
    assert await status_after(pool, seldom, seconds=7100) == "online"
    assert await status_after(pool, seldom, seconds=200) == "warning"


async def test_a_device_with_heartbeats_is_expected_as_often_as_these(
    make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    device = await make_device(interval=3600)
    await upload(device)
    await told(device)
    assert await status_after(pool, device, seconds=650) == "warning"


async def test_an_upload_counts_as_much_as_a_heartbeat(device: Device, pool: asyncpg.Pool) -> None:
    await told(device)
    await pass_time(pool, device, seconds=590)
    await upload(device)
    assert await status_after(pool, device, seconds=590) == "online"
    assert await status_after(pool, device, seconds=20) == "warning"


@pytest.mark.parametrize("says", ["error", "warning"])
async def test_a_reported_state_counts_again_after_a_silence(device: Device, pool: asyncpg.Pool, says: str) -> None:
    await told(device, status=says)
    assert await status_after(pool, device, seconds=0) == says
    assert await status_after(pool, device, seconds=650) == "warning"
    assert await status_after(pool, device, seconds=300) == "offline"
    await upload(device)
    assert await status_after(pool, device, seconds=0) == says
    await told(device, status="online")
    assert await status_after(pool, device, seconds=0) == "online"


async def test_a_disabled_device_stays_disabled(device: Device, pool: asyncpg.Pool) -> None:
    await told(device)
    await pool.execute("UPDATE agent_devices SET status = 'disabled' WHERE id = $1", device.agent_id)
    assert await status_after(pool, device, hours=1) == "disabled"
    assert (await row_of(pool, device))["status_due_at"] is None


@pytest.mark.parametrize("end", ["deactivate", "delete"])
async def test_a_device_that_is_away_on_purpose_is_not_looked_at(
    device: Device, employee: Employee, pool: asyncpg.Pool, end: str
) -> None:
    await told(device)
    if end == "delete":
        await removed(device, employee)
    else:
        await changed(device, employee, "deactivate")
    before = await row_of(pool, device)
    assert before["status_due_at"] is None
    await look(pool)
    assert await row_of(pool, device) == before


async def test_a_device_that_may_be_silent_longer_now_is_no_longer_suspicious(
    make_device: MakeDevice, employee: Employee, pool: asyncpg.Pool
) -> None:
    device = await make_device(interval=60)
    await upload(device)
    assert await status_after(pool, device, seconds=130) == "warning"
    response = await device.client.patch(
        f"/api/agents/{device.agent_id}", json={"metrics_interval_seconds": 3600}, headers=employee.headers
    )
    assert response.status_code == 200
    assert await status_after(pool, device, seconds=60) == "online"
    assert (await events(device, limit=1))[0]["data"]["why"] == "it is expected less often now"
