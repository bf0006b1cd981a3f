"""What of the platform doesn't fit is named with what follows, and the ticket opens by itself when it is mended."""

from contextlib import suppress

import asyncpg
import httpx
import psycopg
import pytest

from alerts.tickets.fit import find_misfits
from alerts.tickets.worker import work_tickets
from health.fleet import read_fleet
from health.fleet_metrics import fleet_metrics
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import ServiceDesk
from tests.alerts.tickets.test_tickets import changed_platform
from tests.devices import Device
from tests.people import Employee

TRIGGER = """
CREATE FUNCTION refuse_request() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'closed for stocktaking' USING DETAIL = 'secret row'; END $$;
CREATE TRIGGER refuse_request BEFORE INSERT ON service_requests FOR EACH ROW EXECUTE FUNCTION refuse_request();
"""
FAULTS = {
    "a look-up that is renamed": (
        "UPDATE urgency_levels SET {urgency} = 'Now' WHERE {urgency} = 'Emergency'",
        "UPDATE urgency_levels SET {urgency} = 'Emergency' WHERE {urgency} = 'Now'",
        "look_up", "no urgency 'Emergency'",
    ),
    "a status that is gone": (
        "UPDATE service_request_statuses SET {status} = 'New' WHERE {status} = 'Pending'",
        "UPDATE service_request_statuses SET {status} = 'Pending' WHERE {status} = 'New'",
        "look_up", "no status 'Pending' or 'Submitted'",
    ),
    "a trigger that refuses": (
        TRIGGER, "DROP TRIGGER refuse_request ON service_requests; DROP FUNCTION refuse_request",
        "refused", "closed for stocktaking",
    ),
    "a column that must be filled": (
        "ALTER TABLE service_requests ADD cost_centre text NOT NULL DEFAULT 'x'; "
        "ALTER TABLE service_requests ALTER cost_centre DROP DEFAULT",
        "ALTER TABLE service_requests DROP cost_centre", "refused", "cost_centre",
    ),
}  # fmt: skip


def columns_of(database: str) -> dict[str, str]:
    """Return the columns that hold the names of urgencies and statuses on this kind of platform."""
    query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attname = ANY (%s)"
    names = ["name", "level_name", "status_name"]
    with psycopg.connect(database) as connection:
        rows = [
            connection.execute(query, [table, names]).fetchone()
            for table in ("urgency_levels", "service_request_statuses")
        ]
    urgency, status = (row[0] for row in rows if row is not None)
    return {"urgency": urgency, "status": status}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_keeps_the_alert_says_why_everywhere_and_heals_by_itself(
    desk: ServiceDesk, device: Device, database: str, client: httpx.AsyncClient, employee: Employee, fault: str
) -> None:
    change, back, reason, said = FAULTS[fault]
    columns = columns_of(database)
    await desk.rule()
    with changed_platform(database, change.format_map(columns) if "{" in change else change, back.format_map(columns)):
        assert await desk.breach(device, desk.begin) == {"postponed": 1}
        misfits = "\n".join(await find_misfits(desk.connection, "", desk.begin))
        assert said in misfits
        answer = await client.get(f"/api/agents/{device.agent_id}/alerts", headers=employee.headers)
        [alert] = answer.json()["alerts"]
        assert (alert["status"], alert["service_request_created"]) == ("active", None)
        assert said in alert["ticket_note"]
        assert "secret row" not in alert["ticket_note"]
        [incident] = await desk.incidents()
        assert incident["fault_reason"] == reason
    assert await work_tickets(desk.connection, desk.begin + MINUTE) == {"opened": 1}
    answer = await client.get(f"/api/agents/{device.agent_id}/alerts", headers=employee.headers)
    [alert] = answer.json()["alerts"]
    assert (alert["service_request_created"] is not None, alert["ticket_note"]) == (True, None)


async def test_a_look_up_that_is_not_active_is_not_used(desk: ServiceDesk, device: Device, database: str) -> None:
    table = "priority_levels"
    with suppress(asyncpg.DuplicateColumnError):
        await desk.connection.execute(f"ALTER TABLE {table} ADD is_active boolean NOT NULL DEFAULT true")
    await desk.rule()
    await desk.connection.execute(f"UPDATE {table} SET is_active = false")
    try:
        assert await desk.breach(device, desk.begin) == {"postponed": 1}
        note = "The ticket system's priority 'Critical' is not active."
        assert (await desk.alerts())[0]["ticket_note"] == note
        assert f"{note} Alerts of severity critical open no ticket." in await find_misfits(
            desk.connection, "", desk.begin
        )
    finally:
        await desk.connection.execute(f"UPDATE {table} SET is_active = true")
    assert await work_tickets(desk.connection, desk.begin + MINUTE) == {"opened": 1}


async def test_a_platform_that_fits_has_no_misfits(desk: ServiceDesk) -> None:
    misfits = await find_misfits(desk.connection, "", desk.begin)
    assert [misfit for misfit in misfits if "no active location" not in misfit] == []


async def test_metrics_count_what_is_put_off_by_reason(desk: ServiceDesk, device: Device) -> None:
    await desk.connection.execute("DELETE FROM service_locations WHERE business_id = $1", desk.business_id)
    await desk.rule()
    assert await desk.breach(device, desk.begin) == {"postponed": 1}
    fleet = await read_fleet(desk.connection, desk.begin)
    [counted] = [metric for metric in fleet_metrics(fleet) if metric.name == "rts_tickets_put_off"]
    assert {sample.labels["reason"]: sample.value for sample in counted.samples}["no_location"] >= 1
    assert any("no active location" in one for one in await find_misfits(desk.connection, "", desk.begin))
