"""Devices in a flush: the plain update of the usual ones writes what the long statement would write of them."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from auth.tokens import token_hash
from core.clock import utc_now
from db.hypertables.policies import LATE_AFTER
from ingest.device_updates import (
    QUERIES,
    DeviceUpdate,
    collect_device_updates,
    select_usual,
    touch_devices,
    touch_parameters,
    usual_parameters,
)
from ingest.pending import Upload
from ingest.samples import Decoded, Sample
from tests.conftest import MakeDevice
from tests.devices import Device

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
STARTED = utc_now() - 24 * HOUR  # when the devices were

# What is different about a device before it uploads; nothing: it is usual.
USUAL: dict[str, str] = {
    "nothing": "",
    "an open alert": "",  # made below
    "a token that was replaced and whose time is set":
        "previous_agent_token = repeat('a', 64), previous_token_until = now() + interval '1 hour'",
}  # fmt: skip
UNUSUAL = {
    "offline": "status = 'offline'",
    "a warning of its own": "reported_status = 'warning'",
    "disabled": "status = 'disabled'",
    "no look at its presence is due": "status_due_at = NULL",
    "a sample that is newer": "current_collected_at = now() + interval '1 minute'",
    "never a sample": "current_collected_at = NULL, current_metrics = NULL",
    "another boot": "boot_at = boot_at - interval '1 hour'",
    "no boot known": "boot_at = NULL",
    "a boot that returns":
        "boot_at = boot_at - interval '1 hour', boot_before = boot_at, boot_returns = 1, boot_fallen = 1, "
        "boot_changed_at = now() - interval '1 hour'",
    "a lag": "sample_lag = '-5 minutes', sample_lag_since = now() - interval '1 hour'",
    "a clock that was off": "clock_off_since = now() - interval '1 hour', clock_shift = '-5 minutes'",
    "no counters in the last sample": "current_metrics = '{}'",
    "counters that were higher": "current_metrics = current_metrics || '{\"network_rx_bytes\": 9e12}'",
    "a new token": "previous_agent_token = repeat('a', 64)",
    "another token": "agent_token = repeat('b', 64)",
    "a token that was replaced": "previous_agent_token = agent_token, agent_token = repeat('c', 64)",
    "deactivated": "is_active = false",
    "deleted": "soft_delete = true",
}  # fmt: skip


@asynccontextmanager
async def rolled_back(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """Yield a connection in a transaction that leaves nothing."""
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            yield connection  # type: ignore[misc]  # a pool's, which is used like any
        finally:
            await transaction.rollback()


def upload(device: Device, now: datetime, *ages: timedelta, uptime: bool = True) -> Upload:
    """An upload of a device that was started a day ago and has sent ever more bytes since."""
    samples = [
        Sample(
            at, cpu_percent=1.0, network_rx_bytes=int(at.timestamp()), network_tx_bytes=int(at.timestamp()),
            uptime_seconds=int((at - STARTED).total_seconds()) if uptime else None,
        )
        for at in (now - age for age in ages)
    ]  # fmt: skip
    pending = Upload(
        device.agent_id, token_hash(device.token), now, Decoded(len(samples), samples, [None] * len(ages), [])
    )
    pending.make_rows()
    return pending


def updates_of(*uploads: Upload) -> list[DeviceUpdate]:
    return collect_device_updates(uploads, [row for one in uploads for row in one.rows])


async def by_the_long_statement(connection: asyncpg.Connection, updates: Sequence[DeviceUpdate], now: datetime) -> Any:
    parameters = touch_parameters(updates, now - LATE_AFTER, HOUR)
    rows = await connection.fetch(*QUERIES.bind("touch_devices", **parameters))
    return {row["id"]: (row["business_id"], sorted(row["alerts"])) for row in rows}


async def outcome(connection: asyncpg.Connection, device: Device) -> tuple[Mapping[str, Any], list[Any]]:
    """The device's row and its events, which have ids of their own."""
    row = await connection.fetchrow("SELECT * FROM agent_devices WHERE id = $1", device.agent_id)
    assert row
    events = await connection.fetch(
        "SELECT event_type, occurred_at, data FROM agent_events WHERE agent_device_id = $1 ORDER BY 1, 2, 3",
        device.agent_id,
    )
    return dict(row), [tuple(event) for event in events]


async def both_ways(connection: asyncpg.Connection, device: Device, now: datetime, *uploads: Upload) -> int:
    """Record uploads by the long statement, then as a flush does; the outcome must be the same.

    Returns how many devices the plain update took.
    """
    await connection.execute("SAVEPOINT before")
    by_statement = await by_the_long_statement(connection, updates_of(*uploads), now)
    expected = await outcome(connection, device)
    await connection.execute("ROLLBACK TO before")

    usual = list(select_usual(updates_of(*uploads), now - LATE_AFTER).values())
    taken = await connection.fetch(*QUERIES.bind("touch_usual_devices", **usual_parameters(usual))) if usual else []
    await connection.execute("ROLLBACK TO before")

    updates = updates_of(*uploads)
    await touch_devices(connection, updates, now, HOUR)
    assert await outcome(connection, device) == expected
    assert {one.agent_id: (one.business_id, one.alerts) for one in updates if one.business_id} == by_statement
    return len(taken)


async def heard_once(connection: asyncpg.Connection, device: Device, now: datetime, change: str) -> None:
    """Have a device upload once, and change its row by SQL of this file."""
    await by_the_long_statement(connection, updates_of(upload(device, now - 5 * MINUTE, timedelta())), now)
    if change:
        await connection.execute(f"UPDATE agent_devices SET {change} WHERE id = $1", device.agent_id)


async def open_alert(connection: asyncpg.Connection, device: Device) -> None:
    await connection.execute(
        "WITH rule AS (INSERT INTO agent_alerts (business_id, alert_name, alert_type, severity, conditions) "
        "VALUES ($2, 'one', 'high_cpu', 'info', '{}') RETURNING id) "
        "INSERT INTO agent_alert_history (agent_alert_id, agent_device_id, triggered_at, severity, alert_message) "
        "SELECT id, $1, now(), 'info', '' FROM rule",
        device.agent_id, device.tenant.business_id,
    )  # fmt: skip


@pytest.mark.parametrize("state", [*USUAL, *UNUSUAL])
async def test_a_flush_writes_what_the_long_statement_writes(
    pool: asyncpg.Pool, make_device: MakeDevice, state: str
) -> None:
    device, now = await make_device(), utc_now()
    async with rolled_back(pool) as connection:
        await heard_once(connection, device, now, {**USUAL, **UNUSUAL}[state])
        if state == "an open alert":
            await open_alert(connection, device)
        taken = await both_ways(connection, device, now, upload(device, now, 2 * MINUTE, MINUTE, timedelta(seconds=5)))
        assert taken == (1 if state in USUAL else 0)


@pytest.mark.parametrize(
    ("ages", "uptime", "taken"),
    [
        ([timedelta()], True, 1),
        ([timedelta()], False, 1),  # no uptime: no boot to compare
        ([10 * MINUTE, MINUTE], True, 1),  # a sample of before the last upload: no counter can have fallen since
        ([3 * MINUTE], True, 0),  # behind our clock
        ([-3 * MINUTE], True, 0),  # ahead of it
        ([LATE_AFTER + MINUTE, timedelta()], True, 0),
        ([], True, 0),
    ],
)
async def test_so_it_does_for_any_times_of_samples(
    pool: asyncpg.Pool, make_device: MakeDevice, ages: list[timedelta], uptime: bool, taken: int
) -> None:
    device, now = await make_device(), utc_now()
    async with rolled_back(pool) as connection:
        await heard_once(connection, device, now, "")
        assert await both_ways(connection, device, now, upload(device, now, *ages, uptime=uptime)) == taken


async def test_two_uploads_of_a_device_count_as_one_and_two_tokens_take_the_long_way(
    pool: asyncpg.Pool, make_device: MakeDevice
) -> None:
    device, now = await make_device(), utc_now()
    async with rolled_back(pool) as connection:
        await heard_once(connection, device, now, "")
        first, second = upload(device, now - MINUTE, MINUTE), upload(device, now, timedelta())
        assert await both_ways(connection, device, now, first, second) == 1
        later = now + MINUTE
        other = upload(device, later, timedelta(seconds=30))
        other.token_hash = "d" * 64
        assert await both_ways(connection, device, later, upload(device, later, timedelta()), other) == 0
