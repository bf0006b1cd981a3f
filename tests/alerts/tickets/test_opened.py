"""A ticket is opened: what it says, for whom and under which number; for which alerts there is none, and never two."""

import asyncio

import asyncpg
import pytest

from alerts.state.evaluate import evaluate
from alerts.tickets.worker import work_tickets
from tests.alerts.scenarios import MINUTE, simple
from tests.alerts.service_desk import ServiceDesk
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Tenant

# A rule about two things has a ticket of its own.
OTHER_CAUSE = {"any": [simple(), {"no_data_minutes": 9000}]}


async def service_user_of(desk: ServiceDesk) -> asyncpg.Record:
    query = "SELECT * FROM users WHERE business_id = $1 AND email LIKE 'agent-monitoring+%'"
    user = await desk.connection.fetchrow(query, desk.business_id)
    assert user is not None
    return user


async def test_a_breach_becomes_a_ticket_with_all_that_the_platform_wants(
    desk: ServiceDesk, device: Device, tenant: Tenant
) -> None:
    await desk.rule()
    assert await desk.breach(device, desk.begin) == {"opened": 1}
    [ticket], user = await desk.tickets(), await service_user_of(desk)
    assert ticket["request_number"].startswith(f"SR-{desk.begin.year}-")
    assert len(ticket["request_number"]) in (len("SR-2026-00123"), len("SR-2026-000123"))  # as the platform's are
    assert ticket["title"] == "High CPU on server-1"
    assert "High CPU on server-1: 95 (cpu_percent: all > 90 percent for 10 min)" in ticket["description"]
    assert (ticket["client_id"], ticket["created_by_user_id"]) == (user["id"], user["id"])
    assert ticket["service_location_id"] == tenant.location_id
    assert ticket.get("requested_date", desk.begin.date()) == desk.begin.date()
    assert ticket.get("requested_datetime", desk.begin) == desk.begin
    assert (ticket["urgency"], ticket["priority"], ticket["status"]) == ("Emergency", "Critical", "Pending")
    [alert] = await desk.alerts()
    assert (alert["service_request_created"], alert["ticket_note"]) == (ticket["id"], None)


@pytest.mark.parametrize(
    ("severity", "levels"),
    [("critical", ("Emergency", "Critical")), ("warning", ("Prime", "High")), ("info", ("Normal", "Medium"))],
)
async def test_urgency_and_priority_follow_the_severity(
    desk: ServiceDesk, device: Device, severity: str, levels: tuple[str, str]
) -> None:
    await desk.rule(severity=severity)
    await desk.breach(device, desk.begin)
    [ticket] = await desk.tickets()
    assert (ticket["urgency"], ticket["priority"]) == levels


async def test_without_a_user_a_ticket_has_the_service_user_of_its_business(desk: ServiceDesk, device: Device) -> None:
    await desk.connection.execute("DELETE FROM users WHERE business_id = $1", desk.business_id)
    await desk.rule()
    assert await desk.breach(device, desk.begin) == {"opened": 1}
    await desk.rule(OTHER_CAUSE, severity="info")
    assert await desk.breach(device, desk.begin + 20 * MINUTE) == {"opened": 1}
    user = await service_user_of(desk)
    assert [ticket["client_id"] for ticket in await desk.tickets()] == [user["id"]] * 2


async def test_machines_use_up_nothing_of_what_a_person_may_have_open(
    desk: ServiceDesk, make_device: MakeDevice, tenant: Tenant
) -> None:
    devices = [await make_device(tenant, f"web-{number}") for number in range(5)]
    await desk.rule()
    await desk.measure([device.agent_id for device in devices], desk.begin, 95)
    assert await desk.turn(desk.begin) == {"opened": 5}
    open_requests = """
        SELECT count(*) FROM service_requests r JOIN service_request_statuses s ON s.id = r.status_id
        JOIN users u ON u.id = r.client_id
        WHERE u.business_id = $1 AND u.email NOT LIKE 'agent-monitoring+%' AND NOT s.is_final_status
    """
    assert await desk.connection.fetchval(open_requests, desk.business_id) == 0


async def test_a_client_that_the_settings_name_has_the_tickets_once_it_is_there(
    desk: ServiceDesk, device: Device
) -> None:
    named = f"machines-{desk.business_id}@msp.example"
    await desk.rule()
    await desk.measure([device.agent_id], desk.begin, 95)
    await evaluate(desk.connection, desk.begin)
    assert await work_tickets(desk.connection, desk.begin, client=named) == {"postponed": 1}
    [alert], [incident] = await desk.alerts(), await desk.incidents()
    assert named in alert["ticket_note"]
    assert incident["fault_reason"] == "no_client"
    insert = "INSERT INTO users (email) VALUES ($1) RETURNING id"
    user = await desk.connection.fetchval(insert, named)
    assert await work_tickets(desk.connection, desk.begin + MINUTE, client=named) == {"opened": 1}
    [ticket] = await desk.tickets()
    assert (ticket["client_id"], (await desk.incidents())[0]["fault_reason"]) == (user, None)


async def test_without_a_location_the_alert_says_so_and_the_ticket_follows(desk: ServiceDesk, device: Device) -> None:
    table = "service_locations"
    row = await desk.connection.fetchrow(f"DELETE FROM {table} WHERE business_id = $1 RETURNING *", desk.business_id)
    assert row is not None
    await desk.rule()
    assert await desk.breach(device, desk.begin) == {"postponed": 1}
    [alert], [incident] = await desk.alerts(), await desk.incidents()
    assert (alert["status"], alert["service_request_created"]) == ("active", None)
    assert "no location" in alert["ticket_note"]
    assert (incident["last_error"], incident["due_at"]) == (alert["ticket_note"], desk.begin + MINUTE)
    names = ", ".join(row.keys())
    values = ", ".join(f"${number}" for number in range(1, len(row) + 1))
    await desk.connection.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", *row.values())
    assert await work_tickets(desk.connection, desk.begin + 0.5 * MINUTE) == {}
    assert await work_tickets(desk.connection, desk.begin + MINUTE) == {"opened": 1}
    [alert], [ticket] = await desk.alerts(), await desk.tickets()
    assert (alert["service_request_created"], alert["ticket_note"]) == (ticket["id"], None)


async def test_an_alert_that_ends_before_its_ticket_could_be_opened_gets_none(
    desk: ServiceDesk, device: Device
) -> None:
    await desk.connection.execute("DELETE FROM service_locations WHERE business_id = $1", desk.business_id)
    await desk.rule()
    await desk.breach(device, desk.begin)
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"closed": 1}
    assert (await desk.alerts())[0]["ticket_note"] == "The alert ended before a ticket was opened."
    assert await desk.tickets() == []


async def test_without_a_site_of_its_own_the_headquarters_come_first(desk: ServiceDesk, device: Device) -> None:
    site = "INSERT INTO service_locations (business_id, location_name, is_headquarters) VALUES ($1, 'HQ', true)"
    headquarters = await desk.connection.fetchval(f"{site} RETURNING id", desk.business_id)
    await desk.connection.execute("UPDATE agent_devices SET service_location_id = NULL WHERE id = $1", device.agent_id)
    await desk.rule()
    await desk.breach(device, desk.begin)
    [ticket] = await desk.tickets()
    assert ticket["service_location_id"] == headquarters


@pytest.mark.parametrize(("shadow", "tickets"), [(True, True), (False, False)])
async def test_a_shadow_rule_and_one_without_tickets_open_none(
    desk: ServiceDesk, device: Device, shadow: bool, tickets: bool
) -> None:
    await desk.rule(shadow=shadow, tickets=tickets)
    assert await desk.breach(device, desk.begin) == {}
    assert (await desk.incidents(), await desk.tickets()) == ([], [])


async def test_several_workers_at_once_dont_double(
    desk: ServiceDesk, make_device: MakeDevice, tenant: Tenant, database: str
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
