"""What becomes of an alert's ticket: closed, kept, reopened; and put off when the platform says no."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import asyncpg
import psycopg
import pytest

from alerts.state.evaluate import evaluate
from alerts.tickets.worker import work_tickets
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import ServiceDesk
from tests.conftest import MakeDevice
from tests.databases import REAL_SERVER
from tests.devices import Device
from tests.people import Tenant

HOUR = timedelta(hours=1)


async def test_a_ticket_is_closed_when_its_alert_has_ended(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    assert await desk.turn(desk.begin + 2 * MINUTE) == {}
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"closed": 1}
    assert await desk.statuses() == ["Completed"]
    [incident] = await desk.incidents()
    assert (incident["wanted"], incident["state"], incident["due_at"]) == ("closed", "closed", None)


async def test_an_alert_that_a_person_has_resolved_closes_its_ticket_too(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    query = "UPDATE agent_alert_history SET status = 'resolved', resolved_at = $2 WHERE agent_device_id = $1"
    await desk.connection.execute(query, device.agent_id, desk.begin)
    assert await work_tickets(desk.connection, desk.begin + MINUTE) == {"closed": 1}


async def test_an_acknowledged_alert_keeps_its_ticket(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    query = "UPDATE agent_alert_history SET status = 'acknowledged' WHERE agent_device_id = $1"
    await desk.connection.execute(query, device.agent_id)
    assert await desk.turn(desk.begin + MINUTE) == {}
    assert await desk.statuses() == ["Pending"]


async def test_a_ticket_whose_status_somebody_changed_is_kept(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.person_sets("In Progress")
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"kept": 1}
    assert await desk.statuses() == ["In Progress"]
    [alert] = await desk.alerts()
    assert "stays open" in alert["ticket_note"]


async def test_a_ticket_that_somebody_changed_otherwise_is_kept(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.connection.execute(
        "UPDATE service_requests SET updated_at = now() WHERE business_id = $1", desk.business_id
    )
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"kept": 1}
    assert await desk.statuses() == ["Pending"]


async def test_a_ticket_that_somebody_closed_stays_closed(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.person_sets("Cancelled")
    assert await desk.turn(desk.begin + 2 * MINUTE) == {}
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"kept": 1}
    assert await desk.statuses() == ["Cancelled"]


async def test_within_a_day_it_is_reopened_and_closed_again(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.recovery(device, desk.begin + 10 * MINUTE)
    assert await desk.breach(device, desk.begin + 23 * HOUR) == {"reopened": 1}
    assert await desk.statuses() == ["Pending"]
    alerts, [ticket] = await desk.alerts(), await desk.tickets()
    assert [alert["service_request_created"] for alert in alerts] == [ticket["id"]] * 2
    assert await desk.recovery(device, desk.begin + 23.5 * HOUR) == {"closed": 1}
    assert await desk.statuses() == ["Completed"]


async def test_after_a_day_it_is_a_new_one(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.recovery(device, desk.begin + 10 * MINUTE)
    assert await desk.breach(device, desk.begin + 25 * HOUR) == {"opened": 1}
    assert await desk.statuses() == ["Completed", "Pending"]


async def test_a_ticket_that_a_person_closed_is_reopened_with_a_note_and_then_left_to_them(
    desk: ServiceDesk, device: Device
) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.person_sets("Completed")
    await desk.recovery(device, desk.begin + 10 * MINUTE)
    assert await desk.breach(device, desk.begin + HOUR) == {"reopened": 1}
    assert await desk.statuses() == ["Pending"]
    assert "was opened again" in (await desk.alerts())[-1]["ticket_note"]
    assert await desk.recovery(device, desk.begin + 1.5 * HOUR) == {"kept": 1}
    assert await desk.statuses() == ["Pending"]


async def test_a_ticket_that_a_person_works_on_is_unchanged_when_the_alert_fires_again(
    desk: ServiceDesk, device: Device
) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.person_sets("In Progress")
    await desk.recovery(device, desk.begin + 10 * MINUTE)
    assert await desk.breach(device, desk.begin + HOUR) == {"reopened": 1}
    assert await desk.statuses() == ["In Progress"]
    assert "stays as they left it" in (await desk.alerts())[-1]["ticket_note"]


async def test_firing_again_before_the_worker_came_changes_nothing(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    for minutes in (10, 16):
        await desk.measure([device.agent_id], desk.begin + minutes * MINUTE - timedelta(seconds=30), 10)
        await evaluate(desk.connection, desk.begin + minutes * MINUTE)
    assert [alert["status"] for alert in await desk.alerts()] == ["auto_resolved"]
    assert await desk.breach(device, desk.begin + 30 * MINUTE) == {"kept open": 1}
    [ticket] = await desk.tickets()
    assert ticket["status"] == "Pending"
    assert [alert["service_request_created"] for alert in await desk.alerts()] == [ticket["id"]] * 2


async def test_a_deleted_ticket_is_not_opened_again_until_it_fires_again(desk: ServiceDesk, device: Device) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    await desk.connection.execute("DELETE FROM service_requests WHERE business_id = $1", desk.business_id)
    assert await desk.turn(desk.begin + 2 * MINUTE) == {}
    assert (await desk.alerts())[0]["service_request_created"] is None
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"closed": 1}
    assert await desk.breach(device, desk.begin + HOUR) == {"opened": 1}
    assert await desk.statuses() == ["Pending"]


@contextmanager
def changed_platform(database: str, change: str, back: str) -> Iterator[None]:
    """The platform's table is another for a while."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(change.encode())
        try:
            yield
        finally:
            connection.execute(back.encode())


async def test_a_table_that_refuses_keeps_the_alert_and_is_tried_again_ever_more_seldom(
    desk: ServiceDesk, device: Device, make_device: MakeDevice, tenant: Tenant, database: str
) -> None:
    change = "ALTER TABLE service_requests ADD CONSTRAINT refused CHECK (title NOT LIKE '%server-1%') NOT VALID"
    await desk.rule()
    other = await make_device(tenant, "mail-1")
    with changed_platform(database, change, "ALTER TABLE service_requests DROP CONSTRAINT refused"):
        await desk.measure([other.agent_id], desk.begin, 95)
        assert await desk.breach(device, desk.begin) == {"postponed": 1, "opened": 1}
        now, delays = desk.begin, []
        for _ in range(9):
            [incident] = [one for one in await desk.incidents() if one["agent_device_id"] == device.agent_id]
            delays.append((incident["due_at"] - now) / MINUTE)
            now = incident["due_at"]
            assert await work_tickets(desk.connection, now) == {"postponed": 1}
        assert delays == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        refused = next(alert for alert in await desk.alerts() if alert["agent_device_id"] == device.agent_id)
        assert (refused["status"], "refused the ticket" in refused["ticket_note"]) == ("active", True)
        assert "refused" in incident["last_error"]
    assert await work_tickets(desk.connection, now + HOUR) == {"opened": 1}
    assert all(alert["service_request_created"] and not alert["ticket_note"] for alert in await desk.alerts())


async def test_an_unknown_level_is_named(desk: ServiceDesk, device: Device, database: str) -> None:
    asked = "SELECT attname FROM pg_attribute WHERE attrelid = 'priority_levels'::regclass AND attname LIKE '%name'"
    column = await desk.connection.fetchval(asked)
    rename = f"UPDATE priority_levels SET {column} = '{{}}' WHERE {column} = '{{}}'"
    await desk.rule()
    with changed_platform(database, rename.format("Top", "Critical"), rename.format("Critical", "Top")):
        assert await desk.breach(device, desk.begin) == {"postponed": 1}
        assert (await desk.alerts())[0]["ticket_note"] == "The ticket system has no priority 'Critical'."
    assert await work_tickets(desk.connection, desk.begin + MINUTE) == {"opened": 1}


@pytest.mark.skipif(not REAL_SERVER, reason="on the embedded server, transactions take turns")
async def test_a_ticket_that_a_person_has_locked_is_tried_later(
    desk: ServiceDesk, device: Device, database: str
) -> None:
    await desk.rule()
    await desk.breach(device, desk.begin)
    person = await asyncpg.connect(database)
    transaction = person.transaction()
    await transaction.start()
    await person.execute("SELECT FROM service_requests FOR UPDATE")
    assert await desk.recovery(device, desk.begin + 10 * MINUTE) == {"postponed": 1}
    await transaction.rollback()
    await person.close()
    assert await work_tickets(desk.connection, desk.begin + 20 * MINUTE) == {"closed": 1}
