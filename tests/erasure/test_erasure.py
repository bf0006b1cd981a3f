"""An erasure deletes a device or a customer at every level, leaves the others as they were, and proves it."""

import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from core.clock import utc_now
from devices.erasure import scope, work
from devices.erasure.requests import (
    ErasureBegunError,
    ErasureRequest,
    LegalHoldError,
    NothingToEraseError,
    cancel_erasure,
    read_certificate,
    request_erasure,
)
from devices.erasure.scope import RELATIONS, ErasedSubject, count_audit, count_subject
from devices.erasure.work import erase, prove_due, run_waiting
from rollups.refresh import refresh_range
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Tenant

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
METRICS = RELATIONS[:4]
LATER = 2 * HOUR


async def fill(pool: asyncpg.Pool, *devices: Device) -> None:
    """Upload samples of six days with series, and roll them up."""
    now = utc_now()
    for device in devices:
        await device.accepted(*(
            sample(age * DAY + minutes * MINUTE, cpu_percent=float(age), disks=[{"name": "C:", "percent": 5}])
            for age in range(1, 7) for minutes in (0, 7)
        ))  # fmt: skip
    async with pool.acquire() as connection:
        await refresh_range(connection, now - 7 * DAY, now, now)


async def rows_of(pool: asyncpg.Pool, device: UUID) -> dict[str, str]:
    """Return the rows of a device at every level, as text."""
    rows_by_relation = {}
    for relation in RELATIONS:
        key = (
            "agent_device_id = $1"
            if relation in METRICS
            else ("series_id IN (SELECT id FROM agent_series WHERE agent_device_id = $1)")
        )
        rows_by_relation[relation] = await pool.fetchval(
            f"SELECT string_agg(r::text, ' ' ORDER BY r::text) FROM {relation} r WHERE {key}", device
        )
    return rows_by_relation


async def trail_of(pool: asyncpg.Pool, *devices: Device) -> list[asyncpg.Record]:
    ids = [device.agent_id for device in devices]
    return await pool.fetch("SELECT * FROM agent_audit WHERE agent_device_id = ANY ($1) ORDER BY id", ids)


async def request(pool: asyncpg.Pool, subject: ErasedSubject) -> int:
    async with pool.acquire() as connection:
        return await request_erasure(connection, subject, ErasureRequest("asked for", "dba", utc_now()))


async def run(pool: asyncpg.Pool, number: int) -> dict[str, Any]:
    """Erase, prove two hours later, and return the certificate."""
    async with pool.acquire() as connection:
        assert await erase(connection, number, utc_now())
        assert number in await prove_due(connection, utc_now() + LATER)
        return await read_certificate(connection, number)


async def compress(pool: asyncpg.Pool) -> None:
    """Put older chunks into the columnstore."""
    for relation in ("agent_metrics", "agent_series_samples", "agent_metrics_5m"):
        await pool.execute(
            "SELECT compress_chunk(c, if_not_compressed => true)"
            " FROM show_chunks($1::text::regclass, older_than => now() - interval '1 day') c",
            relation,
        )


@pytest.mark.parametrize("columnstore", [False, True], ids=["rowstore", "columnstore"])
async def test_a_customer_is_erased_at_every_level_and_the_others_stay(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, bob: Tenant, columnstore: bool
) -> None:
    mine, also_mine, others = await make_device(dora), await make_device(dora, "server-2"), await make_device(bob)
    await fill(pool, mine, also_mine, others)
    if columnstore:
        await compress(pool)
    before = await rows_of(pool, others.agent_id)
    assert all(before.values())
    subject = ErasedSubject("business", dora.business_id)
    async with pool.acquire() as connection:
        counted = await count_subject(connection, subject)
        assert await count_audit(connection, subject) > 2
    trail = await trail_of(pool, mine, also_mine)
    assert set(RELATIONS) <= counted.keys()
    assert counted["agent_metrics"] == 24
    assert counted["agent_devices"] == 2

    certificate = await run(pool, await request(pool, subject))

    deleted = certificate["deleted"]
    assert {name: deleted[name] for name in RELATIONS} == {name: counted[name] for name in RELATIONS}
    assert deleted["agent_devices"] == 2
    assert certificate["state"] == "proven"
    assert certificate["recount"].keys() >= set(RELATIONS)
    assert not any(certificate["recount"].values())
    assert len(certificate["sha256"]) == 64
    async with pool.acquire() as connection:
        assert not await count_subject(connection, subject)
    assert await trail_of(pool, mine, also_mine) == trail  # it stays
    for device in (mine, also_mine):
        for relation in METRICS:
            assert not await pool.fetchval(
                f"SELECT count(*) FROM {relation} WHERE agent_device_id = $1", device.agent_id
            )
    assert await rows_of(pool, others.agent_id) == before


async def test_a_refresh_after_an_erasure_brings_nothing_back(
    pool: asyncpg.Pool, make_device: MakeDevice, alice: Tenant, bob: Tenant
) -> None:
    gone, stays = await make_device(alice), await make_device(bob)
    await fill(pool, gone, stays)
    await compress(pool)
    before = await rows_of(pool, stays.agent_id)
    number = await request(pool, ErasedSubject("device", gone.agent_id))
    async with pool.acquire() as connection:
        assert await erase(connection, number, utc_now())
        await stays.accepted(sample(3 * DAY + HOUR, cpu_percent=1))  # late: this day is refreshed
        await refresh_range(connection, utc_now() - 7 * DAY, utc_now(), utc_now())
        assert number in await prove_due(connection, utc_now() + LATER)
    after = await rows_of(pool, stays.agent_id)
    assert after["agent_metrics_5m"].startswith(before["agent_metrics_5m"].split(" ")[0])
    assert len(after["agent_metrics"]) > len(before["agent_metrics"])


async def test_a_device_is_refused_from_the_request_on(
    pool: asyncpg.Pool, make_device: MakeDevice, alice: Tenant
) -> None:
    device, other = await make_device(alice), await make_device(alice, "server-2")
    await fill(pool, device)
    number = await request(pool, ErasedSubject("device", device.agent_id))
    assert (await device.send(sample())).status_code == 401
    assert (await other.send(sample())).status_code == 200
    assert await request(pool, ErasedSubject("device", device.agent_id)) == number  # asked again: the same
    await run(pool, number)
    assert (await device.send(sample())).status_code == 401
    assert (await other.send(sample())).status_code == 200


async def test_an_erasure_that_was_ended_goes_on_where_it_was(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [await make_device(dora, f"server-{n}") for n in range(3)]
    await fill(pool, *devices)
    monkeypatch.setattr(work, "DEVICES_AT_ONCE", 1)
    subject = ErasedSubject("business", dora.business_id)
    async with pool.acquire() as connection:
        counted = await count_subject(connection, subject)
    number = await request(pool, subject)
    real, calls = scope.on_levels, []

    async def fail_at_the_second(*arguments: Any) -> Any:
        calls.append(arguments)
        if len(calls) == 2:
            await real(*arguments)  # deleted, but not committed
            raise ConnectionResetError
        return await real(*arguments)

    monkeypatch.setattr(work, "on_levels", fail_at_the_second)
    async with pool.acquire() as connection:
        with pytest.raises(ConnectionResetError):
            await erase(connection, number, utc_now())
        half = await read_certificate(connection, number)
        with pytest.raises(ErasureBegunError):
            await cancel_erasure(connection, number, "dba", utc_now())
    assert half["state"] == "waiting"
    assert half["deleted"]["agent_metrics"] == 12
    certificate = await run(pool, number)
    assert {name: certificate["deleted"][name] for name in RELATIONS} == {name: counted[name] for name in RELATIONS}
    assert len(calls) == 5  # one, one in vain, two, and one recount of all


async def test_a_row_that_comes_back_is_deleted_again_and_proven_by_a_later_count(
    pool: asyncpg.Pool, make_device: MakeDevice, alice: Tenant
) -> None:
    device = await make_device(alice)
    await fill(pool, device)
    number = await request(pool, ErasedSubject("device", device.agent_id))
    async with pool.acquire() as connection:
        assert await erase(connection, number, utc_now())
        assert number not in await prove_due(connection, utc_now() + timedelta(minutes=50))  # too early
        await connection.execute(
            "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)"
            " VALUES ($1, now() - interval '3 days', now(), 1)", device.agent_id,
        )  # fmt: skip
        assert number not in await prove_due(connection, utc_now() + LATER)
        certificate = await read_certificate(connection, number)
        assert (certificate["state"], certificate["recount"]["agent_metrics"]) == ("erased", 1)
        assert number in await prove_due(connection, utc_now() + LATER)
        assert (await read_certificate(connection, number))["recount"]["agent_metrics"] == 0


async def test_erasing_the_former_owner_keeps_the_samples_of_the_new_owner(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, bob: Tenant
) -> None:
    device = await make_device(dora)
    await fill(pool, device)
    await pool.execute("UPDATE agent_devices SET business_id = $2 WHERE id = $1", device.agent_id, bob.business_id)
    await device.accepted(sample(-timedelta(minutes=5), cpu_percent=77))
    certificate = await run(pool, await request(pool, ErasedSubject("business", dora.business_id)))
    assert certificate["deleted"]["agent_metrics"] == 12
    left = await pool.fetch("SELECT cpu_percent FROM agent_metrics WHERE agent_device_id = $1", device.agent_id)
    assert [row["cpu_percent"] for row in left] == [77]
    assert (
        await pool.fetchval("SELECT business_id FROM agent_devices WHERE id = $1", device.agent_id) == bob.business_id
    )
    assert (await device.send(sample())).status_code == 200
    assert not await pool.fetchval("SELECT count(*) FROM agent_metrics_5m WHERE agent_device_id = $1", device.agent_id)


async def test_measurements_of_devices_that_are_gone_are_found_and_erased(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant
) -> None:
    device = await make_device(dora)
    await fill(pool, device)
    await pool.execute("DELETE FROM agent_devices WHERE id = $1", device.agent_id)
    async with pool.acquire() as connection:
        assert (await count_subject(connection, ErasedSubject("orphans")))["agent_metrics"] >= 12
    await run(pool, await request(pool, ErasedSubject("orphans")))
    for relation in METRICS:
        assert not await pool.fetchval(f"SELECT count(*) FROM {relation} WHERE agent_device_id = $1", device.agent_id)


async def test_a_cancelled_erasure_deletes_nothing(pool: asyncpg.Pool, make_device: MakeDevice, alice: Tenant) -> None:
    device = await make_device(alice)
    await fill(pool, device)
    before = await rows_of(pool, device.agent_id)
    number = await request(pool, ErasedSubject("device", device.agent_id))
    async with pool.acquire() as connection:
        await cancel_erasure(connection, number, "dba", utc_now())
        assert not await erase(connection, number, utc_now())
    assert await rows_of(pool, device.agent_id) == before


async def test_an_unknown_subject_is_refused(pool: asyncpg.Pool) -> None:
    for kind in ("device", "business"):
        with pytest.raises(NothingToEraseError):
            await request(pool, ErasedSubject(kind, uuid4()))
    with pytest.raises(NothingToEraseError):
        async with pool.acquire() as connection:
            await read_certificate(connection, 0)


async def test_every_table_that_names_a_device_or_a_business_is_reached_or_stays_by_intent(pool: asyncpg.Pool) -> None:
    stays = {
        "agent_audit", "agent_erasures", "agent_erasure_devices",  # the proof of what was done
        "agent_legal_holds", "agent_held_devices",
    }  # fmt: skip
    named = await pool.fetch(
        "SELECT c.relname AS table, a.attname AS column FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid"
        " WHERE c.relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'agent_devices'::regclass)"
        " AND c.relkind IN ('r', 'p', 'v') AND c.relname LIKE 'agent\\_%' AND a.attnum > 0 AND NOT a.attisdropped"
        " AND (a.attname ~ '(device_id|business_id|former_owner|series_id)$')"
    )
    assert len(named) > 30
    async with pool.acquire() as connection:
        reached = set(RELATIONS)
        for parent in ("agent_devices", "businesses"):
            rows = await connection.fetch(*scope.QUERIES.bind("compose_tables", parent=parent))
            reached |= {row["table"] for row in rows}
    assert {row["table"] for row in named} - reached - stays == set()


async def test_the_trail_has_each_step_and_keeps_what_was_there(
    pool: asyncpg.Pool, make_device: MakeDevice, alice: Tenant
) -> None:
    device = await make_device(alice)
    await fill(pool, device)
    before = await trail_of(pool, device)
    number = await request(pool, ErasedSubject("device", device.agent_id))
    await run(pool, number)
    assert (await trail_of(pool, device))[: len(before)] == before
    steps = await pool.fetch(
        "SELECT action, details FROM agent_audit WHERE details ->> 'erasure' = $1 ORDER BY id", str(number)
    )
    assert [row["action"] for row in steps] == ["erasure_requested", "erasure_done", "erasure_proven"]
    assert json.loads(steps[0]["details"])["by"] == "dba"


@pytest.mark.parametrize("held", ["device", "business"])
async def test_data_under_a_legal_hold_is_not_erased(
    pool: asyncpg.Pool, make_device: MakeDevice, dora: Tenant, held: str
) -> None:
    device, other = await make_device(dora), await make_device(dora, "server-2")
    await fill(pool, device, other)
    asked_before = await request(pool, ErasedSubject("business", dora.business_id))
    hold = await pool.fetchval(
        "INSERT INTO agent_legal_holds (business_id, agent_device_id, subject, reason, placed_at, placed_by, devices)"
        " VALUES ($1, $2, 'Dora', 'litigation 17/26', now(), 'counsel', $3) RETURNING id",
        dora.business_id if held == "business" else None, None if held == "business" else device.agent_id,
        [] if held == "business" else [device.agent_id],
    )  # fmt: skip
    before = await rows_of(pool, device.agent_id)
    async with pool.acquire() as connection:
        with pytest.raises(LegalHoldError, match="litigation 17/26"):
            await erase(connection, asked_before, utc_now())
        assert asked_before not in await run_waiting(connection, utc_now())
    for subject in (ErasedSubject("business", dora.business_id), ErasedSubject("device", device.agent_id)):
        with pytest.raises(LegalHoldError):
            await request(pool, subject)
    assert await rows_of(pool, device.agent_id) == before
    await pool.execute("UPDATE agent_legal_holds SET released_at = now(), released_by = 'counsel' WHERE id = $1", hold)
    assert (await run(pool, asked_before))["deleted"]["agent_devices"] == 2


async def test_an_erasure_that_fails_stops_no_other_and_goes_on_by_itself(
    pool: asyncpg.Pool, make_device: MakeDevice, alice: Tenant, dora: Tenant
) -> None:
    devices = await make_device(alice), await make_device(dora)
    numbers = [await request(pool, ErasedSubject("device", device.agent_id)) for device in devices]
    now = utc_now()
    await pool.execute(
        f"""
        CREATE FUNCTION refuse_to_go() RETURNS trigger LANGUAGE plpgsql AS $body$
        BEGIN
            IF OLD.id = '{devices[0].agent_id}' THEN RAISE EXCEPTION 'this device stays'; END IF;
            RETURN OLD;
        END $body$;
        CREATE TRIGGER refuse BEFORE DELETE ON agent_devices FOR EACH ROW EXECUTE FUNCTION refuse_to_go()
        """
    )
    faults = "SELECT reason FROM agent_isolated_faults WHERE task = 'erasures' AND item = $1"
    item = f"erasure:{numbers[0]}"
    try:
        async with pool.acquire() as connection:
            done = await run_waiting(connection, now)
        assert (numbers[0] in done, numbers[1] in done) == (False, True)
        assert await pool.fetchval(faults, item) == "this device stays"
    finally:
        await pool.execute("DROP TRIGGER refuse ON agent_devices; DROP FUNCTION refuse_to_go()")
    async with pool.acquire() as connection:
        assert numbers[0] in await run_waiting(connection, now + LATER)
    assert await pool.fetchval(faults, item) is None
