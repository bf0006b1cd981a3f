"""The list of maintenance windows: their runs in a range, next begin, names, and which of them reach a device."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from tests.calls import answer_of, changed, error_of, removed
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant

URL = "/api/agents/maintenance-windows"
HOUR = timedelta(hours=1)
SUNDAYS: dict[str, Any] = {
    "weekdays": [7],
    "local_start": "22:00",
    "duration_minutes": 240,
    "time_zone": "Europe/Berlin",
}
# The clocks of Berlin are put forward on 2026-03-29 at 02:00.
MARCH, APRIL = "2026-03-20T00:00:00Z", "2026-04-06T00:00:00Z"


@pytest.fixture(autouse=True)
async def no_windows_stay(pool: asyncpg.Pool) -> AsyncIterator[None]:
    """A window that is running would mute the rules of other tests."""
    yield
    await pool.execute("DELETE FROM agent_maintenance_windows")


async def make(client: httpx.AsyncClient, employee: Employee, name: str = "Patching", **body: Any) -> dict[str, Any]:
    response = await client.post(URL, json={"window_name": name} | body, headers=employee.headers)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created


async def listed(client: httpx.AsyncClient, person: Tenant | Employee, **query: Any) -> list[dict[str, Any]]:
    windows: list[dict[str, Any]] = answer_of(await client.get(URL, params=query, headers=person.headers))["windows"]
    return windows


async def names(client: httpx.AsyncClient, person: Tenant | Employee, device: Device) -> list[str]:
    """Return the names of the windows that reach a device."""
    return [window["window_name"] for window in await listed(client, person, agent_id=str(device.agent_id))]


def once(start: datetime, end: datetime) -> dict[str, str]:
    return {"starts_at": start.isoformat(), "ends_at": end.isoformat()}


async def test_a_weekly_window_lists_its_runs_in_utc_across_a_change_of_the_clocks(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee
) -> None:
    created = await make(client, employee, business_id=str(alice.business_id), **SUNDAYS)
    for person in (alice, employee):
        windows = await listed(client, person, start=MARCH, end=APRIL)
        (window,) = [one for one in windows if one["id"] == created["id"]]
        assert window["occurrences"] == [
            {"start": "2026-03-22T21:00:00Z", "end": "2026-03-23T01:00:00Z"},
            {"start": "2026-03-29T20:00:00Z", "end": "2026-03-30T00:00:00Z"},
            {"start": "2026-04-05T20:00:00Z", "end": "2026-04-06T00:00:00Z"},
        ]


async def test_a_window_without_a_run_in_the_range_is_listed_with_none(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee
) -> None:
    now = utc_now()
    await make(client, employee, business_id=str(alice.business_id), **once(now, now + HOUR))
    (window,) = await listed(client, alice, start=MARCH, end=APRIL)
    assert window["occurrences"] == []
    (window,) = await listed(client, alice)
    assert window["occurrences"] is None


async def test_the_next_begin_is_given_while_there_is_one(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee
) -> None:
    now = utc_now()
    place = {"business_id": str(alice.business_id)}
    coming = await make(client, employee, **place, **once(now + HOUR, now + 2 * HOUR))
    running = await make(client, employee, **place, **once(now - HOUR, now + HOUR))
    over = await make(client, employee, **place, **once(now - 2 * HOUR, now - HOUR))
    assert datetime.fromisoformat(coming["next_start"]) == now + HOUR
    assert [running["next_start"], over["next_start"]] == [None, None]
    each_week = await make(client, employee, **place, **SUNDAYS)
    begin = datetime.fromisoformat(each_week["next_start"])
    assert now < begin <= now + timedelta(days=8)
    windows = await listed(client, alice, start=begin.isoformat(), end=(begin + HOUR).isoformat())
    (window,) = [one for one in windows if one["id"] == each_week["id"]]
    assert datetime.fromisoformat(window["occurrences"][-1]["start"]) == begin


async def test_a_window_that_cant_be_read_has_neither_runs_nor_a_next_begin(
    client: httpx.AsyncClient, alice: Tenant, employee: Employee, pool: asyncpg.Pool
) -> None:
    created = await make(client, employee, business_id=str(alice.business_id), **SUNDAYS)
    update = "UPDATE agent_maintenance_windows SET local_start = $2::text::time, time_zone = $3 WHERE id = $1"
    for local_start, zone in (("24:00", "UTC"), ("22:00", "America/Nowhere"), ("22:00", "Europe")):
        await pool.execute(update, created["id"], local_start, zone)
        (window,) = await listed(client, alice, start=MARCH, end=APRIL)
        assert (window["occurrences"], window["next_start"]) == ([], None)
        assert "out of force" in window["error_message"]


async def test_only_windows_that_reach_a_device_are_listed_for_it(
    client: httpx.AsyncClient,
    make_device: MakeDevice,
    alice: Tenant,
    bob: Tenant,
    employee: Employee,
    pool: asyncpg.Pool,
) -> None:
    device, beside = await make_device(alice), await make_device(alice)
    for name, place in (
        ("its business", {"business_id": str(alice.business_id)}),
        ("its site", {"service_location_id": str(alice.location_id)}),
        ("the device", {"agent_device_id": str(device.agent_id)}),
        ("another device", {"agent_device_id": str(beside.agent_id)}),
        ("another business", {"business_id": str(bob.business_id)}),
    ):
        await make(client, employee, name, **place, **SUNDAYS)
    for person in (alice, employee):
        assert await names(client, person, device) == ["its business", "its site", "the device"]
    await pool.execute("UPDATE agent_devices SET service_location_id = NULL WHERE id = $1", device.agent_id)
    assert await names(client, alice, device) == ["its business", "the device"]


async def test_another_businesss_device_or_a_deleted_one_is_not_found(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    device = await make_device(alice)
    await make(client, employee, agent_device_id=str(device.agent_id), **SUNDAYS)
    for person in (bob, charlie):
        answer = await client.get(URL, params={"agent_id": str(device.agent_id)}, headers=person.headers)
        assert error_of(answer) == (404, "agent_not_found")
        assert await listed(client, person, start=MARCH, end=APRIL) == []
    await removed(device, employee)
    for one, agent_id in ((alice, device.agent_id), (employee, device.agent_id), (employee, uuid4())):
        answer = await client.get(URL, params={"agent_id": str(agent_id)}, headers=one.headers)
        assert error_of(answer) == (404, "agent_not_found")


async def test_a_window_names_its_site_its_device_and_to_employees_who_made_it(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, employee: Employee, pool: asyncpg.Pool
) -> None:
    device = await make_device(alice)
    name = await pool.fetchval("SELECT device_name FROM agent_devices WHERE id = $1", device.agent_id)
    email = await pool.fetchval("SELECT email FROM employees WHERE id = $1", employee.employee_id)
    await make(client, employee, "a", service_location_id=str(alice.location_id), **SUNDAYS)
    await make(client, employee, "b", agent_device_id=str(device.agent_id), **SUNDAYS)
    for person, maker in ((employee, email), (alice, None)):
        names = [
            (window["location_name"], window["device_name"], window["created_by_name"])
            for window in await listed(client, person)
        ]
        assert names == [("Alice's site", None, maker), (None, name, maker)]


async def test_the_former_business_doesnt_see_the_name_of_a_device_that_moved(
    client: httpx.AsyncClient, make_device: MakeDevice, alice: Tenant, dora: Tenant, employee: Employee
) -> None:
    device = await make_device(alice)
    await make(client, employee, agent_device_id=str(device.agent_id), **SUNDAYS)
    await changed(device, employee, "move", business_id=str(dora.business_id))
    assert [window["device_name"] for window in await listed(client, alice)] == [None]
    assert await listed(client, dora) == []
    assert await names(client, dora, device) == []
    answer = await client.get(URL, params={"agent_id": str(device.agent_id)}, headers=alice.headers)
    assert error_of(answer) == (404, "agent_not_found")


@pytest.mark.parametrize(
    "query",
    [
        {"start": MARCH},
        {"end": APRIL},
        {"start": APRIL, "end": MARCH},
        {"start": MARCH, "end": MARCH},
        {"start": MARCH, "end": "2027-03-22T00:00:00Z"},
    ],
)
async def test_a_range_that_is_none_is_refused(client: httpx.AsyncClient, alice: Tenant, query: dict[str, str]) -> None:
    assert error_of(await client.get(URL, params=query, headers=alice.headers)) == (422, "bad_range")
