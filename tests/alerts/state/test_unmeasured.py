"""A metric that is gone while its device goes on: the alert has no data, and ends after a time that can be set."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from alerts.state.evaluate import evaluate
from alerts.tickets.worker import work_tickets
from core.settings import Settings
from tests.alerts.scenarios import MINUTE
from tests.alerts.service_desk import ServiceDesk, open_service_desk
from tests.people import Employee, Tenant

HOUR = timedelta(hours=1)
SAMPLES = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, disk_percent)
SELECT $1, at, at, 10, $4 FROM generate_series($2::timestamptz, $3::timestamptz, interval '5 minutes') AS at
"""
SET_CONTACT = "UPDATE agent_devices SET last_metrics_received = $2 WHERE id = $1"
FULL = {"metric": "disk_percent", "operator": ">", "threshold": 95, "duration_minutes": 10}


@pytest.fixture
async def desk(settings: Settings, employee: Employee, dora: Tenant) -> AsyncIterator[ServiceDesk]:
    async with open_service_desk(settings.database_url, employee.employee_id, dora.business_id) as desk:
        yield desk


async def measure(desk: ServiceDesk, device: UUID, first: datetime, last: datetime, disk: float | None) -> None:
    await desk.connection.execute(SAMPLES, device, first, last, disk)
    await desk.connection.execute(SET_CONTACT, device, last)


async def full_disk(desk: ServiceDesk) -> UUID:
    """A device whose disk is full at the desk's begin, with an alert and a ticket."""
    (device,) = await desk.devices(1)
    await desk.rule(FULL)
    await measure(desk, device, desk.begin - HOUR, desk.begin, 97)
    assert await desk.turn(desk.begin) == {"opened": 1}
    return device


async def state_of(desk: ServiceDesk, device: UUID) -> str | None:
    query = "SELECT state FROM agent_alert_states WHERE agent_device_id = $1"
    state: str | None = await desk.connection.fetchval(query, device)
    return state


async def passes(desk: ServiceDesk, hours: range, after: timedelta = 14 * HOUR) -> None:
    for hour in hours:
        await evaluate(desk.connection, desk.begin + hour * HOUR, after)


async def test_an_unmeasured_instance_ends_its_alert_and_closes_its_ticket(desk: ServiceDesk) -> None:
    device = await full_disk(desk)
    await measure(desk, device, desk.begin + 5 * MINUTE, desk.begin + 20 * HOUR, None)
    await passes(desk, range(1, 15))
    assert await state_of(desk, device) == "no_data"
    assert [alert["status"] for alert in await desk.alerts()] == ["active"]
    await passes(desk, range(15, 17))
    (alert,) = await desk.alerts()
    assert (alert["status"], alert["resolution_notes"]) == ("auto_resolved", "no longer measured")
    assert await state_of(desk, device) is None
    assert await work_tickets(desk.connection, desk.begin + 17 * HOUR) == {"closed": 1}
    await passes(desk, range(17, 20))
    assert len(await desk.alerts()) == 1


async def test_an_alert_on_a_missing_metric_stays_open_with_zero_unmeasured_days(desk: ServiceDesk) -> None:
    device = await full_disk(desk)
    await measure(desk, device, desk.begin + 5 * MINUTE, desk.begin + 26 * HOUR, None)
    await passes(desk, range(1, 26), timedelta(0))
    assert await state_of(desk, device) == "no_data"


async def test_a_silent_device_keeps_its_alert_however_long(desk: ServiceDesk) -> None:
    device = await full_disk(desk)
    await passes(desk, range(1, 28))
    assert await state_of(desk, device) == "no_data"


async def test_a_device_that_wakes_up_is_judged_by_its_metric(desk: ServiceDesk) -> None:
    device = await full_disk(desk)
    await passes(desk, range(1, 24))
    await measure(desk, device, desk.begin + 24 * HOUR, desk.begin + 24 * HOUR + 10 * MINUTE, None)
    await passes(desk, range(24, 25))
    assert await state_of(desk, device) == "no_data"
    await measure(desk, device, desk.begin + 24 * HOUR + 15 * MINUTE, desk.begin + 26 * HOUR, 97)
    await passes(desk, range(25, 27))
    assert await state_of(desk, device) == "firing"
    assert len(await desk.alerts()) == 1


async def test_a_disk_that_comes_back_fires_anew(desk: ServiceDesk) -> None:
    device = await full_disk(desk)
    await measure(desk, device, desk.begin + 5 * MINUTE, desk.begin + 20 * HOUR, None)
    await passes(desk, range(1, 20))
    await measure(desk, device, desk.begin + 20 * HOUR + 5 * MINUTE, desk.begin + 22 * HOUR, 98)
    await passes(desk, range(21, 23))
    assert await state_of(desk, device) == "firing"
    assert [alert["status"] for alert in await desk.alerts()] == ["auto_resolved", "active"]
