"""Presence of many devices: several workers, sweeps that read only what is due, and silences that are our own."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from core.clock import utc_now
from devices.presence import MANY_DEVICES, QUERIES, note_outage, sweep
from tests.api.presence import INTERVAL, THRESHOLDS, look, pass_time, row_of, witness
from tests.calls import course, told
from tests.conftest import MakeDevice
from tests.people import Tenant
from tests.waiting import until

__all__ = ["witness"]  # a fixture


@pytest.fixture
async def alone(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction in which no device is there to be looked at; nothing of it stays."""
    connection = await asyncpg.connect(database, server_settings={"plan_cache_mode": "force_custom_plan"})
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("UPDATE agent_devices SET status_due_at = NULL WHERE status_due_at IS NOT NULL")
    yield connection
    await transaction.rollback()
    await connection.close()


async def add(
    connection: asyncpg.Connection, tenant: Tenant, count: int, heard_at: datetime, interval: int = 300
) -> None:
    """Add online devices that only upload, last heard at a time, and due for a look two intervals later."""
    await connection.execute(
        "INSERT INTO agent_devices (business_id, device_name, status, last_metrics_received, status_due_at, "
        "metrics_interval_seconds) SELECT $1, 'one of many', 'online', $2::timestamptz, "
        "$2 + $4::int * interval '2 seconds', $4 FROM generate_series(1, $3::int)",
        tenant.business_id, heard_at, count, interval,
    )  # fmt: skip


async def counts(connection: asyncpg.Connection, tenant: Tenant) -> dict[str, int]:
    rows = await connection.fetch(
        "SELECT status, count(*) FROM agent_devices WHERE business_id = $1 AND device_name = 'one of many' "
        "GROUP BY status",
        tenant.business_id,
    )
    return {row[0]: row[1] for row in rows}


# Many devices, several workers


async def test_a_sweep_goes_on_until_nothing_is_due(make_device: MakeDevice, pool: asyncpg.Pool) -> None:
    devices = [await make_device() for _ in range(5)]
    for device in devices:
        await told(device)
        await pass_time(pool, device, seconds=650)
    assert await look(pool, at_once=2) >= 5
    assert {(await row_of(pool, device))["status"] for device in devices} == {"warning"}
    assert await pool.fetchval("SELECT count(*) FROM agent_devices WHERE status_due_at <= $1", utc_now()) == 0


async def test_two_workers_tell_each_change_once(make_device: MakeDevice, pool: asyncpg.Pool) -> None:
    devices = [await make_device() for _ in range(12)]
    for device in devices:
        await told(device)
        await pass_time(pool, device, seconds=1000)
    await asyncio.gather(*(look(pool, at_once=3) for _ in range(3)))
    for device in devices:
        assert [to for _, to in await course(device)] == ["online", "offline"]


async def test_a_sweep_wakes_the_live_channel_once_and_only_for_a_change(
    make_device: MakeDevice, pool: asyncpg.Pool, database: str
) -> None:
    devices = [await make_device() for _ in range(3)]
    for device in devices:
        await told(device)
        await pass_time(pool, device, seconds=650)
    received: list[object] = []
    listener = await asyncpg.connect(database)
    await listener.add_listener("rts_live", lambda *notification: received.append(notification[3]))
    await look(pool)
    await pool.execute("SELECT pg_notify('rts_live', 'after the first')")
    await until(lambda: "after the first" in received)
    await pool.execute("UPDATE agent_devices SET status_due_at = $2 WHERE id = $1", devices[0].agent_id, utc_now())
    await look(pool)
    await pool.execute("SELECT pg_notify('rts_live', 'after the second')")
    await until(lambda: "after the second" in received)
    assert received == ["devices", "after the first", "after the second"]
    await listener.close()


async def test_twenty_thousand_silent_devices_are_one_quick_sweep(
    alone: asyncpg.Connection, alice: Tenant, bob: Tenant
) -> None:
    now = utc_now()
    await add(alone, alice, 20_000, now - timedelta(minutes=12))
    await add(alone, bob, 10, now)
    await alone.execute("ANALYZE agent_devices")
    began = time.monotonic()
    assert await sweep(alone, now, THRESHOLDS) == 20_000
    assert time.monotonic() - began < 60
    assert await counts(alone, alice) == {"warning": 20_000}
    assert await counts(alone, bob) == {"online": 10}
    assert await sweep(alone, now, THRESHOLDS) == 0


SWEEP = {"heartbeat_interval": INTERVAL, "warning_after": 2.0, "offline_after": 3.0, "limit": 5000, "only": None}


async def explain(connection: asyncpg.Connection, query: str, **values: Any) -> list[dict[str, Any]]:
    """Run a statement and return the nodes of its plan that read agent_devices."""
    statement, *arguments = QUERIES.bind(query, **values)
    plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *arguments))
    plans: list[dict[str, Any]] = []
    waiting = [plan[0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        reads = node.get("Relation Name") == "agent_devices" and "Scan" in node["Node Type"]
        if reads or node["Node Type"] == "Bitmap Index Scan":
            plans.append(node)
    return plans


async def test_a_sweep_reads_only_what_is_due(alone: asyncpg.Connection, alice: Tenant) -> None:
    now = utc_now()
    await add(alone, alice, 3000, now)
    await add(alone, alice, 7, now - timedelta(minutes=12))
    await alone.execute("ANALYZE agent_devices")
    scans = await explain(alone, "sweep", now=now, **SWEEP)
    assert "agent_devices_status_due" in {scan.get("Index Name") for scan in scans}
    assert "Seq Scan" not in {scan["Node Type"] for scan in scans}
    assert max(scan["Actual Rows"] for scan in scans) == 7


async def test_a_sweep_without_due_devices_reads_no_rows(alone: asyncpg.Connection, alice: Tenant) -> None:
    now = utc_now()
    await add(alone, alice, 3000, now)
    await alone.execute("ANALYZE agent_devices")
    outage = {"unheard_for": INTERVAL * 1.5, "heartbeat_interval": INTERVAL, "min_devices": 10}
    for query, values in (("note_outage", outage), ("sweep", SWEEP)):
        for scan in await explain(alone, query, now=now, **values):
            assert scan["Actual Rows"] * scan["Actual Loops"] == 0, scan
            assert scan.get("Rows Removed by Filter", 0) == 0
            assert scan["Actual Loops"] == 0 or scan["Node Type"] != "Seq Scan"


# When it is our own silence


async def test_no_device_is_silent_while_no_upload_arrives_at_all(
    alone: asyncpg.Connection, alice: Tenant, bob: Tenant
) -> None:
    start = utc_now()
    for tenant in (alice, bob):
        await add(alone, tenant, MANY_DEVICES, start)
    for minutes in range(8, 240, 2):  # no upload gets here for four hours
        assert await sweep(alone, start + timedelta(minutes=minutes), THRESHOLDS) == 0
    back = start + timedelta(minutes=240)
    await alone.execute(  # then all but Alice's are heard again
        "UPDATE agent_devices SET last_metrics_received = $2 WHERE business_id = $1 AND status_due_at IS NOT NULL",
        bob.business_id, back,
    )  # fmt: skip
    assert await sweep(alone, back + timedelta(minutes=7), THRESHOLDS) == 0
    await alone.execute(
        "UPDATE agent_devices SET last_metrics_received = $2 WHERE business_id = $1 AND status_due_at IS NOT NULL",
        bob.business_id, back + timedelta(minutes=10),
    )  # fmt: skip
    assert await sweep(alone, back + timedelta(minutes=10), THRESHOLDS) == MANY_DEVICES
    assert await counts(alone, alice) == {"warning": MANY_DEVICES}
    assert await counts(alone, bob) == {"online": MANY_DEVICES}


async def test_a_worker_that_was_away_finds_devices_as_they_are(
    alone: asyncpg.Connection, alice: Tenant, bob: Tenant
) -> None:
    now = utc_now()
    await add(alone, alice, 20, now - timedelta(hours=3))
    await add(alone, bob, 20, now - timedelta(minutes=1))
    assert await sweep(alone, now, THRESHOLDS) == 20
    assert await counts(alone, alice) == {"offline": 20}


@pytest.mark.parametrize(
    ("of_alice", "of_bob", "interval"),
    [(MANY_DEVICES * 2, 0, 300), (MANY_DEVICES // 2, MANY_DEVICES // 2 - 1, 300), (MANY_DEVICES, MANY_DEVICES, 301)],
    ids=["one business only: its line is down", "a handful of devices", "devices that are seldom heard anyway"],
)
async def test_a_silence_that_may_be_theirs_is_told(
    alone: asyncpg.Connection, alice: Tenant, bob: Tenant, of_alice: int, of_bob: int, interval: int
) -> None:
    now = utc_now()
    await add(alone, alice, of_alice, now - timedelta(minutes=20), interval)
    await add(alone, bob, of_bob, now - timedelta(minutes=20), interval)
    assert await sweep(alone, now, THRESHOLDS) == of_alice + of_bob
    assert await counts(alone, alice) == {"offline": of_alice}


async def test_devices_in_step_with_one_another_are_no_outage(
    alone: asyncpg.Connection, alice: Tenant, bob: Tenant
) -> None:
    now = utc_now()
    await add(alone, bob, 1, now - timedelta(seconds=601))
    for tenant in (alice, bob):
        await add(alone, tenant, MANY_DEVICES, now - timedelta(seconds=301))
    assert await sweep(alone, now, THRESHOLDS) == 1


async def test_an_outage_is_in_the_log_once(
    alone: asyncpg.Connection, alice: Tenant, bob: Tenant, caplog: pytest.LogCaptureFixture
) -> None:
    now = utc_now()
    for tenant in (alice, bob):
        await add(alone, tenant, MANY_DEVICES, now - timedelta(minutes=20))
    for seconds in range(0, 60, 5):
        assert await note_outage(alone, now + timedelta(seconds=seconds), THRESHOLDS)
    messages = [record.message for record in caplog.records if record.name.startswith("devices.")]
    assert ["no device made contact" in message for message in messages] == [True]


SITES = """
WITH site AS (
    INSERT INTO service_locations (id, business_id, location_name)
    SELECT gen_random_uuid(), $1, 'site ' || number FROM generate_series(1, $2::int) AS number RETURNING id
), numbered AS (SELECT id, row_number() OVER () AS number FROM site)
UPDATE agent_devices d SET service_location_id = n.id, last_metrics_received = last_metrics_received - d.apart
FROM (SELECT id, row_number() OVER () AS number, random() * $3::interval AS apart
      FROM agent_devices WHERE business_id = $1 AND status_due_at IS NOT NULL) own
JOIN numbered n ON n.number = own.number % $2 + 1
WHERE d.id = own.id
""".replace("d.apart", "own.apart")


@pytest.mark.parametrize(
    ("sites", "apart", "is_ours"),
    [(3, 0, True), (3, 240, True), (2, 60, True), (3, 1200, False), (1, 0, False)],
    ids=["at one minute", "within an interval", "two sites", "at different times", "one site: its line may be down"],
)
async def test_several_sites_of_one_customer_that_fall_silent_together_are_our_line(
    alone: asyncpg.Connection, alice: Tenant, sites: int, apart: int, is_ours: bool
) -> None:
    now = utc_now()
    await add(alone, alice, 18, now - timedelta(minutes=40))
    await alone.execute(SITES, alice.business_id, sites, timedelta(seconds=apart))
    assert await sweep(alone, now, THRESHOLDS) == (0 if is_ours else 18)
