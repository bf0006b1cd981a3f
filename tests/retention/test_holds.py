"""Legal holds: nothing of a held device is dropped, whatever runs; what ends before its first data still is."""

from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest

from core.clock import utc_now
from db.hypertables.policies import DAY
from devices.platform_import import QUERIES as IMPORT
from retention.holds import (
    HoldNotFoundError,
    HoldRequest,
    HoldSubjectNotFoundError,
    drop_unheld,
    end_holds,
    list_holds,
    place_hold,
    release_hold,
)
from rollups.drift import find_drift
from rollups.refresh import list_jobs, run_job
from rollups.repair import pause_unsafe, repair
from tests.retention.conftest import OPERATOR


async def make_devices(connection: asyncpg.Connection) -> tuple[UUID, UUID, UUID]:
    """Return a business and two devices of it."""
    business, first, second = uuid4(), uuid4(), uuid4()
    await connection.execute("INSERT INTO businesses (id, business_name) VALUES ($1, 'Held')", business)
    for device in (first, second):
        await connection.execute(
            "INSERT INTO agent_devices (id, business_id, device_name) VALUES ($1, $2, 'held')", device, business
        )  # fmt: skip
    return business, first, second


async def store_old(connection: asyncpg.Connection, device: UUID, *days: int) -> None:
    """Store one sample so many days ago each."""
    await connection.execute(
        "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent) "
        "SELECT $1, now() - n * INTERVAL '1 day', now(), 50 FROM unnest($2::int[]) n",
        device, list(days),
    )  # fmt: skip


async def ages(connection: asyncpg.Connection) -> list[int]:
    """Return how many days ago each sample was taken, the oldest first."""
    rows = await connection.fetch(
        "SELECT round(extract(epoch FROM now() - collected_at) / 86400)::int AS days FROM agent_metrics ORDER BY 1 DESC"
    )
    return [row["days"] for row in rows]


async def run_retention(connection: asyncpg.Connection) -> None:
    for job in await list_jobs(connection):
        if job.kind == "retention":
            await run_job(connection, job)


async def test_a_hold_stops_drops_and_lets_go_what_is_older_than_its_data(connection: asyncpg.Connection) -> None:
    _, held, other = await make_devices(connection)
    await store_old(connection, held, 45)
    await store_old(connection, other, 60, 50, 40, 5)
    number = await place_hold(connection, HoldRequest("device", held, "litigation"), OPERATOR, utc_now())
    await run_retention(connection)
    assert await ages(connection) == [60, 50, 45, 40, 5]
    assert await find_drift(connection, utc_now()) == []

    assert await drop_unheld(connection, utc_now()) == 2
    assert await ages(connection) == [45, 40, 5]
    assert await drop_unheld(connection, utc_now()) == 0

    await release_hold(connection, number, OPERATOR, utc_now())
    assert await find_drift(connection, utc_now()) == []
    await run_retention(connection)
    assert await ages(connection) == [5]
    with pytest.raises(HoldNotFoundError):
        await release_hold(connection, number, OPERATOR, utc_now())
    actions = await connection.fetch(
        "SELECT action FROM agent_audit WHERE agent_device_id = $1 ORDER BY id", held
    )  # fmt: skip
    assert [row["action"] for row in actions] == ["legal_hold_placed", "legal_hold_released"]


async def test_a_business_is_held_with_devices_that_are_deleted_later(connection: asyncpg.Connection) -> None:
    business, first, _ = await make_devices(connection)
    await store_old(connection, first, 45)
    await place_hold(connection, HoldRequest("business", business, "litigation"), OPERATOR, utc_now())
    await connection.execute("DELETE FROM agent_devices WHERE id = $1", first)
    assert await drop_unheld(connection, utc_now()) == 0
    assert await ages(connection) == [45]
    (hold,) = await list_holds(connection)
    assert (hold["subject"], hold["devices"]) == ("Held", 2)


async def test_retention_switched_on_during_a_hold_is_seen_and_paused(connection: asyncpg.Connection) -> None:
    _, held, _ = await make_devices(connection)
    await store_old(connection, held, 45)
    await place_hold(connection, HoldRequest("device", held, "litigation"), OPERATOR, utc_now())
    await connection.execute(
        "SELECT alter_job(job_id, scheduled => true) FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_retention' AND hypertable_name = 'agent_metrics'"
    )
    (drift,) = await find_drift(connection, utc_now())
    assert drift.unsafe
    assert "legal hold" in drift.sentence
    assert await pause_unsafe(connection, utc_now()) == [drift]
    await run_retention(connection)
    assert await ages(connection) == [45]
    assert await repair(connection, utc_now()) == []


async def test_with_two_holds_retention_goes_on_after_the_last_one(connection: asyncpg.Connection) -> None:
    _, first, second = await make_devices(connection)
    await store_old(connection, first, 45)
    one = await place_hold(connection, HoldRequest("device", first, "a"), OPERATOR, utc_now())
    await place_hold(connection, HoldRequest("device", second, "b", utc_now() + DAY), OPERATOR, utc_now())
    await release_hold(connection, one, OPERATOR, utc_now())
    await run_retention(connection)
    assert await ages(connection) == [45]
    await end_holds(connection, utc_now(), OPERATOR)
    await run_retention(connection)
    assert await ages(connection) == [45]
    await end_holds(connection, utc_now() + timedelta(days=2), OPERATOR)
    await run_retention(connection)
    assert await ages(connection) == []


async def test_a_hold_on_an_unknown_subject_is_refused(connection: asyncpg.Connection) -> None:
    with pytest.raises(HoldSubjectNotFoundError):
        await place_hold(connection, HoldRequest("device", uuid4(), "x"), OPERATOR, utc_now())
    assert await find_drift(connection, utc_now()) == []


async def test_an_import_that_ends_during_a_hold_leaves_retention_stopped(connection: asyncpg.Connection) -> None:
    _, held, _ = await make_devices(connection)
    await connection.fetchval(*IMPORT.bind("schedule_retention", scheduled=False))
    await place_hold(connection, HoldRequest("device", held, "litigation"), OPERATOR, utc_now())
    await connection.fetchval(*IMPORT.bind("schedule_retention", scheduled=True))
    assert await find_drift(connection, utc_now()) == []
