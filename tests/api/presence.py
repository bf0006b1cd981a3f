"""Time passes for a device and the worker looks; a device that is heard all the while."""

from datetime import timedelta

import asyncpg
import pytest

from core.clock import utc_now
from devices.presence import OfflineThresholds, sweep
from tests.calls import told
from tests.conftest import MakeDevice
from tests.devices import Device

INTERVAL = timedelta(seconds=300)
THRESHOLDS = OfflineThresholds(INTERVAL, 2, 3)
COLUMNS = "status, status_due_at, status_changed_at, last_heartbeat, last_metrics_received"


async def pass_time(pool: asyncpg.Pool, device: Device, **span: float) -> None:
    """Let time pass for one device, by moving what is known of it into the past."""
    await pool.execute(
        "UPDATE agent_devices SET last_heartbeat = last_heartbeat - $2::interval, "
        "last_metrics_received = last_metrics_received - $2, status_due_at = status_due_at - $2 WHERE id = $1",
        device.agent_id, timedelta(**span),
    )  # fmt: skip


async def row_of(pool: asyncpg.Pool, device: Device) -> asyncpg.Record:
    row = await pool.fetchrow(f"SELECT {COLUMNS} FROM agent_devices WHERE id = $1", device.agent_id)
    assert row is not None
    return row


async def look(pool: asyncpg.Pool, at_once: int = 5000) -> int:
    """Sweep, as the worker does."""
    async with pool.acquire() as connection:
        return await sweep(connection, utc_now(), THRESHOLDS, at_once)


@pytest.fixture(autouse=True)
async def witness(make_device: MakeDevice) -> Device:
    """A device that is heard now: what reaches us is not the question here."""
    device = await make_device(name="witness")
    await told(device)
    return device
