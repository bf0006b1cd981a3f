"""Storms and outages: one ticket for a group."""

from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from alerts.tickets.worker import Outcome, work_tickets
from auth.tokens import Tokens
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import ServiceDesk
from tests.people import Employee, Tenant, make_tenant

OFFLINE = {"offline_minutes": 15}
SET_CONTACT = "UPDATE agent_devices SET last_metrics_received = $2 WHERE id = ANY ($1::uuid[])"


async def storm(desk: ServiceDesk, devices: list[UUID], at: timedelta = timedelta()) -> Counter[Outcome]:
    await desk.measure(devices, desk.begin + at, 95)
    return await desk.turn(desk.begin + at)


async def all_linked_to(desk: ServiceDesk, ticket: asyncpg.Record) -> bool:
    return {alert["service_request_created"] for alert in await desk.alerts()} == {ticket["id"]}


async def test_a_rule_that_fires_on_a_large_share_opens_one_ticket(desk: ServiceDesk) -> None:
    await desk.rule()
    devices = await desk.devices(200)
    assert await storm(desk, devices[:61]) == {"opened": 1}
    [ticket] = await desk.tickets()
    assert ticket["title"] == "High CPU on 61 devices"
    assert "High CPU on pc-001: 95" in ticket["description"]
    assert "pc-051" not in ticket["description"]
    assert "- and 11 more" in ticket["description"]
    assert await all_linked_to(desk, ticket)


async def test_devices_that_join_later_are_in_the_same_ticket(desk: ServiceDesk) -> None:
    await desk.rule()
    devices = await desk.devices(20)
    await storm(desk, devices[:8])
    assert await storm(desk, devices[8:10], MINUTE) == {"kept open": 1}
    [ticket] = await desk.tickets()
    assert ticket["title"] == "High CPU on 10 devices"
    assert await all_linked_to(desk, ticket)


async def test_the_text_of_a_group_ticket_stays_as_a_person_wrote_it(desk: ServiceDesk) -> None:
    await desk.rule()
    devices = await desk.devices(20)
    await storm(desk, devices[:8])
    await desk.connection.execute(
        "UPDATE service_requests SET title = 'Patch day', updated_at = now() WHERE business_id = $1", desk.business_id
    )
    await storm(desk, devices[8:10], MINUTE)
    [ticket] = await desk.tickets()
    assert ticket["title"] == "Patch day"
    assert await all_linked_to(desk, ticket)


async def test_a_group_ticket_closes_with_its_last_alert_and_reopens_within_a_day(desk: ServiceDesk) -> None:
    await desk.rule()
    devices = await desk.devices(20)
    await storm(desk, devices[:8])
    await desk.measure(devices[:7], desk.begin + 30 * MINUTE, 10)
    await desk.measure(devices[7:8], desk.begin + 30 * MINUTE, 95)
    await desk.turn(desk.begin + 30 * MINUTE)
    assert await desk.turn(desk.begin + 36 * MINUTE) == {}
    await desk.measure(devices[7:8], desk.begin + 45 * MINUTE, 10)
    await desk.turn(desk.begin + 45 * MINUTE)
    assert await desk.turn(desk.begin + 51 * MINUTE) == {"closed": 1}
    assert await storm(desk, devices[:9], timedelta(hours=2)) == {"reopened": 1}
    [ticket] = await desk.tickets()
    assert (ticket["status"], ticket["title"]) == ("Pending", "High CPU on 9 devices")


async def test_a_few_devices_have_tickets_of_their_own(desk: ServiceDesk) -> None:
    await desk.rule()
    assert await storm(desk, (await desk.devices(6))[:5]) == {"opened": 5}


async def test_a_storm_that_comes_in_slowly_opens_five_and_one(desk: ServiceDesk) -> None:
    await desk.rule()
    devices = await desk.devices(100)
    opened = [await storm(desk, devices[first : first + 5], first / 10 * MINUTE) for first in range(0, 50, 5)]
    assert opened[0] == {"opened": 5}
    assert opened[1:6] == [{}] * 5  # they wait: more may come
    assert opened[6] == {"opened": 1}  # the 35 are more than 30 %
    tickets = await desk.tickets()
    assert [ticket["title"] for ticket in tickets].count("High CPU on 45 devices") == 1
    assert len(tickets) == 6
    assert all(alert["service_request_created"] for alert in await desk.alerts())


async def test_an_alert_without_a_storm_gets_its_own_ticket(desk: ServiceDesk) -> None:
    await desk.rule()
    assert await storm(desk, (await desk.devices(100))[:8]) == {}
    assert await work_tickets(desk.connection, desk.begin + 5 * MINUTE) == {"opened": 8}


async def test_two_businesses_have_two_tickets(
    desk: ServiceDesk, employee: Employee, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    other = ServiceDesk(
        desk.connection, employee.employee_id, (await make_tenant(pool, tokens, f"Frida {uuid4().hex[:8]}")).business_id
    )
    await desk.rule(everywhere=True)
    for one in (desk, other):
        await one.measure(await one.devices(7), desk.begin, 95)
    await desk.turn(desk.begin)
    assert [len(await one.tickets()) for one in (desk, other)] == [1, 1]


async def outage(desk: ServiceDesk, devices: list[UUID], minutes: int = 30) -> Counter[Outcome]:
    """The devices are heard last at the beginning. A turn each five minutes: after a longer gap, silence is ours."""
    await desk.connection.execute(SET_CONTACT, devices, desk.begin)
    done: Counter[Outcome] = Counter()
    for minute in range(0, minutes + 1, 5):
        done += await desk.turn(desk.begin + minute * MINUTE)
    return done


async def test_a_site_whose_devices_fall_silent_together_is_one_ticket(desk: ServiceDesk, tenant: Tenant) -> None:
    await desk.rule(OFFLINE, "warning")
    here = await desk.devices(10, tenant.location_id, desk.begin + timedelta(days=2))
    await desk.devices(10, None, desk.begin + timedelta(days=2))
    assert await outage(desk, here[:7]) == {"opened": 1}
    [ticket] = await desk.tickets()
    assert ticket["title"] == f"{tenant.name}'s site: 7 devices fell silent together"
    assert (ticket["service_location_id"], ticket["priority"]) == (tenant.location_id, "High")
    assert await all_linked_to(desk, ticket)
    await desk.connection.execute(SET_CONTACT, here, desk.begin + 35 * MINUTE)
    for minute in (35, 36, 42):
        await desk.turn(desk.begin + minute * MINUTE)
    assert await desk.statuses() == ["Completed"]


async def test_two_rules_on_a_silent_site_share_a_ticket_of_the_worse_severity(
    desk: ServiceDesk, tenant: Tenant
) -> None:
    await desk.rule(OFFLINE, "warning")
    await desk.rule({"no_data_minutes": 25}, "critical")
    here = await desk.devices(4, tenant.location_id)
    assert await outage(desk, here, 35) == {"opened": 1, "kept open": 1}
    [ticket] = await desk.tickets()
    assert (ticket["title"][-30:], ticket["priority"]) == ("4 devices fell silent together", "Critical")


async def test_devices_that_fall_silent_minutes_apart_are_together(desk: ServiceDesk, tenant: Tenant) -> None:
    await desk.rule(OFFLINE)
    here = await desk.devices(5, tenant.location_id)
    for number, device in enumerate(here):
        await desk.connection.execute(SET_CONTACT, [device], desk.begin - number * MINUTE)
    opened = [await desk.turn(desk.begin + minute * MINUTE) for minute in range(30)]
    assert sum(done["opened"] for done in opened) == 1
    assert len(await desk.tickets()) == 1


async def test_two_silent_devices_of_a_site_have_their_own_tickets(desk: ServiceDesk, tenant: Tenant) -> None:
    await desk.rule(OFFLINE)
    here = await desk.devices(3, tenant.location_id, desk.begin + timedelta(days=2))
    assert await outage(desk, here[:2]) == {"opened": 2}


async def test_devices_that_were_silent_long_before_make_no_outage(desk: ServiceDesk, tenant: Tenant) -> None:
    long_gone = await desk.devices(8, tenant.location_id, desk.begin - timedelta(days=20))
    here = await desk.devices(2, tenant.location_id)
    await desk.rule(OFFLINE, device=here[0])
    assert await outage(desk, here) == {"opened": 1}
    [ticket] = await desk.tickets()
    assert ticket["title"] == "High CPU on pc-001"
    assert long_gone
