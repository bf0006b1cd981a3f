"""What is left of a device's life: a row in the trail for each change, and events; both are read page by page."""

from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from core.clock import utc_now
from tests.api.lifecycle_calls import each_call
from tests.calls import changed, error_of, events, path_of, removed, time_of, told, trail
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant


@each_call
async def test_a_change_leaves_exactly_one_row_in_the_trail(
    device: Device,
    employee: Employee,
    pool: asyncpg.Pool,
    method: str,
    parts: tuple[str, ...],
    body: dict[str, Any] | None,
) -> None:
    actions = {
        "deactivate": "device_deactivated", "activate": "device_activated", "decommission": "device_decommissioned",
        "restore": "device_restored", "rotation": "token_rotation_requested", "clone-suspicion": "clone_dismissed",
        "token": "token_revoked",
    }  # fmt: skip
    action = actions.get(parts[-1] if parts else "", "device_deleted" if method == "DELETE" else "device_changed")
    if "activate" in parts:
        await changed(device, employee, "deactivate")
    if "restore" in parts:
        await removed(device, employee)
    if "clone-suspicion" in parts:
        await pool.execute("UPDATE agent_devices SET clone_suspected_at = now() WHERE id = $1", device.agent_id)
    for _ in range(2):  # the second time there is nothing left to change
        await device.client.request(method, path_of(device, *parts), json=body, headers=employee.headers)
    entries = await trail(device, employee)
    assert [entry["action"] for entry in entries].count(action) == (0 if method == "GET" else 1)
    last = entries[-1]
    if method != "GET":
        assert (last["actor_kind"], last["actor_id"], last["source"]) == (
            "employee", str(employee.employee_id), "127.0.0.1",
        )  # fmt: skip
        assert utc_now() - time_of(last["at"]) < timedelta(minutes=1)


# The trail and events, page by page


async def test_the_trail_is_read_page_by_page(device: Device, employee: Employee) -> None:
    for _ in range(3):
        await changed(device, employee, "deactivate")
        await changed(device, employee, "activate")
    everything = (await trail(device, employee))[::-1]
    assert len(everything) == 7
    pages: list[Any] = []
    before: dict[str, Any] = {}
    while before is not None:
        response = await device.client.get(
            path_of(device, "audit"), params={"limit": 3, **before}, headers=employee.headers
        )
        pages += response.json()["entries"]
        following = response.json()["next_before"]
        if following is None:
            break
        before = {"before": following}
    assert pages == everything


async def test_events_are_read_page_by_page_and_by_type(device: Device, employee: Employee) -> None:
    for _ in range(3):
        await told(device)
        await changed(device, employee, "deactivate")
        await changed(device, employee, "activate")
    everything = await events(device)
    assert [event["event_type"] for event in everything].count("enrolled") == 1
    assert len(everything) == 10
    assert await events(device, event_type="status_changed") == [
        event for event in everything if event["event_type"] == "status_changed"
    ]
    assert await events(device, event_type="nothing") == []
    pages: list[Any] = []
    query: dict[str, Any] = {"limit": 4}
    while query:
        response = await device.client.get(path_of(device, "events"), params=query, headers=employee.headers)
        pages += response.json()["events"]
        following = response.json()["next_before"]
        query = {"limit": 4, "before": following} if following else {}
    assert pages == everything


async def test_events_are_the_tenants_own(device: Device, bob: Tenant, charlie: Tenant, employee: Employee) -> None:
    await told(device)
    for who in (bob, charlie):
        response = await device.client.get(path_of(device, "events"), headers=who.headers)
        assert error_of(response) == (404, "agent_not_found")
    response = await device.client.get(path_of(device, "events"), headers=employee.headers)
    assert len(response.json()["events"]) == 2
    assert (await device.client.get(path_of(device, "events"))).status_code == 401


async def test_anothers_event_is_no_place_to_go_on_from(make_device: MakeDevice, bob: Tenant) -> None:
    mine, his = await make_device(), await make_device(bob)
    for device in (mine, his):
        await told(device)
    (newest, *_) = await events(his)
    assert await events(mine, before=newest["id"]) == []


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 1001}, {"before": "x"}, {"before": 0}, {"event_type": ""}])
async def test_a_question_for_events_that_doesnt_fit_is_refused(device: Device, query: dict[str, Any]) -> None:
    response = await device.client.get(path_of(device, "events"), params=query, headers=device.tenant.headers)
    assert error_of(response) == (422, "invalid_request")
