"""A ticket is opened: what it says, for whom and under which number; for which alerts there is none, and never two."""

import asyncio

import asyncpg
import pytest

from alerts.state.evaluate import evaluate
from alerts.tickets.worker import work_tickets
from tests.alerts.desk import Desk
from tests.alerts.doras_desk import desk, device, tenant
from tests.alerts.scenarios import MINUTE
from tests.conftest import MakeDevice
from tests.databases import REAL_SERVER
from tests.devices import Device
from tests.people import Tenant

__all__ = ["desk", "device", "tenant"]  # fixtures


async def user_of(desk: Desk) -> object:
    return await desk.connection.fetchval("SELECT id FROM users WHERE business_id = $1", desk.business_id)


async def test_a_breach_becomes_a_ticket_with_all_that_the_platform_wants(
    desk: Desk, device: Device, tenant: Tenant
) -> None:
    await desk.rule()
    assert await desk.breach(device, desk.begin) == {"opened": 1}
    [ticket], user = await desk.tickets(), await user_of(desk)
    assert ticket["request_number"].startswith(f"SR-{desk.begin.year}-")
    assert len(ticket["request_number"]) == len("SR-2026-000123")
    assert ticket["title"] == "High CPU on server-1"
    assert "High CPU on server-1: 95 (cpu_percent: all > 90 percent for 10 min)" in ticket["description"]
    assert (ticket["client_id"], ticket["created_by_user_id"]) == (user, user)
    assert (ticket["service_location_id"], ticket["requested_date"]) == (tenant.location_id, desk.begin.date())
    assert (ticket["urgency"], ticket["priority"], ticket["status"]) == ("Emergency", "Critical", "Pending")
    [alert] = await desk.alerts()
    assert (alert["service_request_created"], alert["ticket_note"]) == (ticket["id"], None)


@pytest.mark.parametrize(
    ("severity", "levels"),
    [("critical", ("Emergency", "Critical")), ("warning", ("Prime", "High")), ("info", ("Normal", "Medium"))],
)
async def test_urgency_and_priority_follow_the_severity(
    desk: Desk, device: Device, severity: str, levels: tuple[str, str]
) -> None:
    await desk.rule(severity=severity)
    await desk.breach(device, desk.begin)
    [ticket] = await desk.tickets()
    assert (ticket["urgency"], ticket["priority"]) == levels


async def test_numbers_count_on_with_the_platforms_own(desk: Desk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    taken = f"SR-{desk.begin.year}-1000041"  # longer than six digits: not cut
    await desk.connection.execute(
        "UPDATE service_requests SET request_number = $1 WHERE business_id = $2", taken, desk.business_id
    )
    await desk.rule(severity="info")
    await desk.breach(device, desk.begin + 20 * MINUTE)
    assert [ticket["request_number"][8:] for ticket in await desk.tickets()] == ["1000041", "1000042"]
    await desk.connection.execute("UPDATE service_requests SET request_number = 'old ' || id")  # six digits again


@pytest.mark.parametrize("lacking", ["user", "location"])
async def test_without_a_user_or_a_location_the_alert_says_so_and_the_ticket_follows(
    desk: Desk, device: Device, lacking: str
) -> None:
    table = {"user": "users", "location": "service_locations"}[lacking]
    row = await desk.connection.fetchrow(f"DELETE FROM {table} WHERE business_id = $1 RETURNING *", desk.business_id)
    assert row is not None
    await desk.rule()
    assert await desk.breach(device, desk.begin) == {"put off": 1}
    [alert], [incident] = await desk.alerts(), await desk.incidents()
    assert (alert["status"], alert["service_request_created"]) == ("active", None)
    assert f"no {lacking}" in alert["ticket_note"]
    assert (incident["last_error"], incident["due_at"]) == (alert["ticket_note"], desk.begin + MINUTE)
    names = ", ".join(row.keys())
    values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await desk.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", *row.values())
    assert await work_tickets(desk.connection, desk.begin + 0.5 * MINUTE) == {}
    assert await work_tickets(desk.connection, desk.begin + MINUTE) == {"opened": 1}
    [alert], [ticket] = await desk.alerts(), await desk.tickets()
    assert (alert["service_request_created"], alert["ticket_note"]) == (ticket["id"], None)


async def test_an_alert_that_ends_before_its_ticket_could_be_opened_gets_none(desk: Desk, device: Device) -> None:
    await desk.connection.execute("DELETE FROM users WHERE business_id = $1", desk.business_id)
    await desk.rule()
    await desk.breach(device, desk.begin)
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"closed": 1}
    assert (await desk.alerts())[0]["ticket_note"] == "The alert ended before a ticket was opened."
    assert await desk.tickets() == []


async def test_the_primary_contact_and_the_headquarters_come_first(desk: Desk, device: Device) -> None:
    user = "INSERT INTO users (business_id, email, is_primary_contact) VALUES ($1, $1::uuid || '@p', true) RETURNING id"
    contact = await desk.connection.fetchval(user, desk.business_id)
    site = "INSERT INTO service_locations (business_id, location_name, is_headquarters) VALUES ($1, 'HQ', true)"
    headquarters = await desk.connection.fetchval(f"{site} RETURNING id", desk.business_id)
    await desk.connection.execute("UPDATE agent_devices SET service_location_id = NULL WHERE id = $1", device.agent_id)
    await desk.rule()
    await desk.breach(device, desk.begin)
    [ticket] = await desk.tickets()
    assert (ticket["client_id"], ticket["service_location_id"]) == (contact, headquarters)


@pytest.mark.parametrize(("shadow", "tickets"), [(True, True), (False, False)])
async def test_a_shadow_rule_and_one_without_tickets_open_none(
    desk: Desk, device: Device, shadow: bool, tickets: bool
) -> None:
    await desk.rule(shadow=shadow, tickets=tickets)
    assert await desk.breach(device, desk.begin) == {}
    assert (await desk.incidents(), await desk.tickets()) == ([], [])


async def test_several_workers_at_once_dont_double(
    desk: Desk, make_device: MakeDevice, tenant: Tenant, database: str
) -> None:
    devices = [await make_device(tenant, f"web-{number}") for number in range(5)]
    await desk.rule()
    await desk.measure([device.agent_id for device in devices], desk.begin, 95)
    await evaluate(desk.connection, desk.begin)
    workers = [await asyncpg.connect(database) for _ in range(4)]
    done = await asyncio.gather(*(work_tickets(worker, desk.begin) for worker in workers))
    for worker in workers:
        await worker.close()
    assert sum(one["opened"] for one in done) == 5
    assert await desk.statuses() == ["Pending"] * 5


@pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")
async def test_a_number_that_the_platform_takes_meanwhile_is_passed_over(
    desk: Desk, device: Device, make_device: MakeDevice, tenant: Tenant, database: str
) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    [ticket] = await desk.tickets()
    number = int(ticket["request_number"][-6:]) + 1
    insert = (
        "INSERT INTO service_requests SELECT (jsonb_populate_record(r, jsonb_build_object('id', gen_random_uuid(), "
        "'request_number', $2::text))).* FROM service_requests r WHERE r.id = $1"
    )
    platform = await asyncpg.connect(database)
    transaction = platform.transaction()
    await transaction.start()
    await platform.execute(insert, ticket["id"], f"{ticket['request_number'][:-6]}{number:06}")
    other = await make_device(tenant, "mail-1")
    working = asyncio.create_task(desk.breach(other, desk.begin + MINUTE))
    await asyncio.sleep(1)
    await transaction.commit()
    await platform.close()
    assert await working == {"opened": 1}
    assert [int(one["request_number"][-6:]) for one in await desk.tickets()] == [number - 1, number, number + 1]
