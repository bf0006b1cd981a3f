"""Tickets in the platform's own tables as its application made them: larger, stricter, without our columns."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import psycopg
import pytest

from alerts.tickets.worker import work_tickets
from db.migrations.run import upgrade
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import ServiceDesk, open_service_desk
from tests.alerts.tickets.test_tickets import HOUR
from tests.databases import fresh_database
from tests.db.test_migrations import PLATFORM

# Older than their tables in test_migrations: no primary contact, no headquarters, no times; more levels; an own number.
OLDER = """
ALTER TABLE users DROP is_primary_contact, DROP created_at, ADD is_active boolean NOT NULL DEFAULT true;
ALTER TABLE service_locations DROP is_headquarters, DROP created_at, ADD soft_delete boolean NOT NULL DEFAULT false;
ALTER TABLE service_requests ADD source varchar(20) NOT NULL DEFAULT 'portal', ADD CHECK (description <> '');
INSERT INTO urgency_levels SELECT gen_random_uuid(), n, 4 FROM unnest(ARRAY['Prime', 'Emergency']) n;
INSERT INTO priority_levels SELECT gen_random_uuid(), n, '#ff0000' FROM unnest(ARRAY['Medium', 'High', 'Critical']) n;
INSERT INTO service_request_statuses VALUES (gen_random_uuid(), 'In Progress', false, 2),
    (gen_random_uuid(), 'Completed', true, 3);
INSERT INTO users (id, business_id, email, password_hash, is_active)
    SELECT '00000000-0000-4000-8000-000000000000', id, 'left@example.com', 'x', false FROM businesses;
UPDATE service_requests SET request_number = 'SR-' || extract(year FROM now() - interval '30 hours') || '-000041';
"""


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(tmp_path_factory.mktemp("platform")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(PLATFORM.encode())
            connection.execute(OLDER.encode())
        upgrade(url)
        yield url


@pytest.fixture
async def desk(platform: str) -> AsyncIterator[ServiceDesk]:
    connection = await asyncpg.connect(platform)
    business = await connection.fetchval("SELECT id FROM businesses")
    employee = await connection.fetchval("SELECT id FROM employees")
    await connection.execute("DELETE FROM agent_devices")
    await connection.execute("DELETE FROM agent_alert_tickets")
    await connection.execute("DELETE FROM service_requests WHERE title <> 'Printer'")
    await connection.close()
    async with open_service_desk(platform, employee, business) as desk:
        yield desk


async def test_a_ticket_from_its_opening_to_its_end_and_on(desk: ServiceDesk) -> None:
    await desk.rule()
    await desk.connection.execute("UPDATE agent_alerts SET alert_name = repeat('ü', 255) WHERE is_active")
    devices = await desk.devices(1)
    await desk.measure(devices, desk.begin, 95)
    assert await desk.turn(desk.begin) == {"opened": 1}
    ticket = (await desk.tickets())[-1]
    assert (ticket["request_number"][8:], ticket["status"], ticket["source"]) == ("000042", "Pending", "portal")
    assert (len(ticket["title"]), ticket["title"][-1]) == (255, "…")
    asked = "SELECT email, password_hash FROM users WHERE id = $1"
    user = await desk.connection.fetchrow(asked, ticket["client_id"])
    assert user is not None
    assert (user["email"].startswith("agent-monitoring+"), user["password_hash"]) == (True, "!")
    await desk.measure(devices, desk.begin + 30 * MINUTE, 10)
    await desk.turn(desk.begin + 30 * MINUTE)
    assert await desk.turn(desk.begin + 36 * MINUTE) == {"closed": 1}
    await desk.measure(devices, desk.begin + HOUR, 95)
    assert await desk.turn(desk.begin + HOUR) == {"reopened": 1}
    await desk.connection.execute("UPDATE service_requests SET soft_delete = true")
    await desk.measure(devices, desk.begin + 1.5 * HOUR, 10)
    await desk.turn(desk.begin + 1.5 * HOUR)
    assert await desk.turn(desk.begin + 1.6 * HOUR) == {"closed": 1}
    await desk.measure(devices, desk.begin + 2 * HOUR, 95)
    assert await desk.turn(desk.begin + 2 * HOUR) == {"opened": 1}
    assert await desk.statuses() == ["Pending"] * 3  # the printer's, the deleted one, the new one


async def test_a_status_that_somebody_set_is_seen_without_a_time_of_change(desk: ServiceDesk) -> None:
    await desk.rule()
    devices = await desk.devices(1)
    await desk.measure(devices, desk.begin, 95)
    await desk.turn(desk.begin)
    await desk.person_sets("In Progress")
    await desk.measure(devices, desk.begin + 30 * MINUTE, 10)
    await desk.turn(desk.begin + 30 * MINUTE)
    assert await desk.turn(desk.begin + 36 * MINUTE) == {"kept": 1}


NUMBERED = """
CREATE SEQUENCE request_numbers START 700;
ALTER TABLE service_requests ALTER request_number SET DEFAULT 'T-' || nextval('request_numbers');
"""
NOT_NUMBERED = "ALTER TABLE service_requests ALTER request_number DROP DEFAULT; DROP SEQUENCE request_numbers"
TRIGGER = """
CREATE FUNCTION before_request() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NEW; END $$;
CREATE TRIGGER before_request BEFORE INSERT ON service_requests FOR EACH ROW EXECUTE FUNCTION before_request();
"""
NO_TRIGGER = "DROP TRIGGER before_request ON service_requests; DROP FUNCTION before_request"


@pytest.mark.parametrize(
    ("platform_does", "undo", "numbers"),
    [
        (NUMBERED, NOT_NUMBERED, ["T-700", "T-701"]),
        (TRIGGER.format(what="NEW.request_number := COALESCE(NEW.request_number, 'N-' || gen_random_uuid())"),
         NO_TRIGGER, ["N-", "N-"]),
        (TRIGGER.format(what="NEW.title := trim(NEW.title)"), NO_TRIGGER, ["SR-", "SR-"]),
    ],
    ids=["by a default", "by a trigger", "not by the trigger that it has"],
)  # fmt: skip
async def test_the_platform_numbers_its_tickets_itself_where_it_does(
    desk: ServiceDesk, platform_does: str, undo: str, numbers: list[str]
) -> None:
    await desk.connection.execute(platform_does)
    try:
        await desk.rule()
        await desk.measure(await desk.devices(2), desk.begin, 95)
        assert await desk.turn(desk.begin) == {"opened": 2}
    finally:
        await desk.connection.execute(undo)
    tickets = [ticket["request_number"] for ticket in await desk.tickets() if ticket["title"] != "Printer"]
    assert [number[: len(start)] for number, start in zip(tickets, numbers, strict=True)] == numbers


async def test_a_column_that_we_cant_know_is_named_in_the_fault(desk: ServiceDesk) -> None:
    await desk.rule()
    await desk.connection.execute("UPDATE service_requests SET source = 'portal'")
    await desk.connection.execute("ALTER TABLE service_requests ALTER source DROP DEFAULT")
    await desk.measure(await desk.devices(1), desk.begin, 95)
    assert await desk.turn(desk.begin) == {"postponed": 1}
    assert "source" in (await desk.incidents())[0]["last_error"]
    await desk.connection.execute("ALTER TABLE service_requests ALTER source SET DEFAULT 'portal'")
    assert await work_tickets(desk.connection, desk.begin + MINUTE) == {"opened": 1}
