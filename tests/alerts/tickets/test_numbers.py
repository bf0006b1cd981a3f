"""The number of a ticket: of the platform's sequence of the year, or, where it counts otherwise, the next."""

import asyncio

import asyncpg
import pytest

from tests.alerts.scenarios import MINUTE, simple
from tests.alerts.service_desk import ServiceDesk
from tests.conftest import MakeDevice
from tests.databases import REAL_SERVER
from tests.devices import Device
from tests.people import Tenant

# A rule about two things has a ticket of its own.
OTHER_CAUSE = {"any": [simple(), {"no_data_minutes": 9000}]}


def sequence_of(desk: ServiceDesk) -> str:
    return f"service_request_number_seq_{desk.begin.year}"


async def has_sequence(desk: ServiceDesk) -> bool:
    return bool(await desk.connection.fetchval("SELECT to_regclass($1) IS NOT NULL", sequence_of(desk)))


async def numbers(desk: ServiceDesk) -> list[int]:
    return [int(ticket["request_number"].rpartition("-")[2]) for ticket in await desk.tickets()]


async def test_the_ticket_number_is_the_next_of_the_sequence_in_five_digits(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    if not await has_sequence(desk):
        pytest.skip("this platform has tickets and no sequence: it counts otherwise")
    last = await desk.connection.fetchval(f"SELECT last_value FROM {sequence_of(desk)}")
    [ticket] = await desk.tickets()
    assert ticket["request_number"] == f"SR-{desk.begin.year}-{last:05}"
    theirs = await desk.connection.fetchval("SELECT nextval($1::text::regclass)", sequence_of(desk))
    await desk.rule(OTHER_CAUSE, severity="info")
    await desk.breach(device, desk.begin + 20 * MINUTE)
    assert (await numbers(desk))[-1] == theirs + 1


async def test_a_sequence_that_is_behind_catches_up(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    [number] = await numbers(desk)
    await desk.connection.execute(
        "UPDATE service_requests SET request_number = $1 WHERE business_id = $2",
        f"SR-{desk.begin.year}-{number + 40:05}", desk.business_id,
    )  # fmt: skip
    if await has_sequence(desk):
        await desk.connection.execute("SELECT setval($1::text::regclass, $2)", sequence_of(desk), number + 39)
    await desk.rule(OTHER_CAUSE, severity="info")
    assert await desk.breach(device, desk.begin + 20 * MINUTE) == {"opened": 1}
    assert await numbers(desk) == [number + 40, number + 41]


async def test_a_platform_without_sequences_gets_the_highest_number_plus_one(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    if await has_sequence(desk):
        pytest.skip("this platform has sequences")
    [number] = await numbers(desk)
    await desk.rule(OTHER_CAUSE, severity="info")
    await desk.breach(device, desk.begin + 20 * MINUTE)
    assert await numbers(desk) == [number, number + 1]


async def test_a_sequence_that_was_dropped_is_made_again_after_the_highest_number(
    desk: ServiceDesk, device: Device
) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    if not await has_sequence(desk):
        pytest.skip("this platform has no sequences")
    await desk.connection.execute(f"ALTER SEQUENCE {sequence_of(desk)} RENAME TO service_request_number_seq_1999")
    try:
        await desk.rule(OTHER_CAUSE, severity="info")
        assert await desk.breach(device, desk.begin + 20 * MINUTE) == {"opened": 1}
        first, second = await numbers(desk)
        assert second > first
    finally:
        await desk.connection.execute("DROP SEQUENCE service_request_number_seq_1999")


@pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")
async def test_a_number_that_the_platform_takes_meanwhile_is_passed_over(
    desk: ServiceDesk, device: Device, make_device: MakeDevice, tenant: Tenant, database: str
) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    [ticket] = await desk.tickets()
    head, _, digits = ticket["request_number"].rpartition("-")
    number = int(digits) + 1
    insert = (
        "INSERT INTO service_requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), "
        "'request_number', $2::text))).* FROM service_requests r WHERE r.id = $1"
    )
    platform = await asyncpg.connect(database)
    transaction = platform.transaction()
    await transaction.start()
    await platform.execute(insert, ticket["id"], f"{head}-{number:0{len(digits)}}")
    other = await make_device(tenant, "mail-1")
    working = asyncio.create_task(desk.breach(other, desk.begin + MINUTE))
    await asyncio.sleep(1)
    await transaction.commit()
    await platform.close()
    assert await working == {"opened": 1}
    assert await numbers(desk) == [number - 1, number, number + 1]
