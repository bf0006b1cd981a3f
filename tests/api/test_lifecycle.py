"""A device's life as employees lead it: deactivated, decommissioned, deleted, restored, changed; and its trail."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from db.clock import utc_now
from tests.calls import (
    beat,
    change,
    changed,
    course,
    deeds,
    error_of,
    events,
    listed,
    path_of,
    removed,
    seen,
    time_of,
    told,
    trail,
)
from tests.commands import fetched, order, state, tell
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.people import Employee, Tenant

CALLS: list[tuple[str, tuple[str, ...], dict[str, Any] | None]] = [
    ("POST", ("deactivate",), None),
    ("POST", ("activate",), None),
    ("POST", ("decommission",), {"reason": "sold"}),
    ("POST", ("restore",), None),
    ("POST", ("token", "rotation"), None),
    ("PATCH", (), {"device_name": "x"}),
    ("DELETE", (), None),
    ("DELETE", ("token",), None),
    ("DELETE", ("clone-suspicion",), None),
    ("GET", ("audit",), None),
]
each_call = pytest.mark.parametrize(("method", "parts", "body"), CALLS, ids=lambda value: str(value))


# Who may


@each_call
async def test_only_employees_lead_a_devices_life(
    device: Device, bob: Tenant, method: str, parts: tuple[str, ...], body: dict[str, Any] | None
) -> None:
    before = await seen(device)
    for headers, answer in (
        (device.tenant.headers, (403, "employees_only")), (bob.headers, (403, "employees_only")),
        (device.headers, (401, "invalid_token")), ({}, (401, "unauthorized")),
    ):  # fmt: skip
        response = await device.client.request(method, path_of(device, *parts), json=body, headers=headers)
        assert error_of(response) == answer
    assert await seen(device) == before


@each_call
async def test_a_device_that_isnt_there_is_a_404(
    client: httpx.AsyncClient, employee: Employee, method: str, parts: tuple[str, ...], body: dict[str, Any] | None
) -> None:
    path = "/".join((f"/api/agents/{uuid4()}", *parts))
    assert error_of(await client.request(method, path, json=body, headers=employee.headers)) == (404, "agent_not_found")


@each_call
async def test_each_change_leaves_one_row_in_the_trail(
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
    found = await trail(device, employee)
    assert [entry["action"] for entry in found].count(action) == (0 if method == "GET" else 1)
    last = found[-1]
    if method != "GET":
        assert (last["actor_kind"], last["actor_id"], last["source"]) == (
            "employee", str(employee.employee_id), "127.0.0.1",
        )  # fmt: skip
        assert utc_now() - time_of(last["at"]) < timedelta(minutes=1)


# Deactivated and activated


async def test_a_deactivated_device_is_refused_until_it_is_activated(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await told(device)
    found = await changed(device, employee, "deactivate")
    assert (found["is_active"], found["status"], found["token_state"]) == (False, "disabled", "active")
    assert (await beat(device)).status_code == (await device.send(sample())).status_code == 401
    found = await changed(device, employee, "activate")
    assert (found["is_active"], found["status"]) == (True, "offline")
    await told(device)
    await device.accepted(sample(cpu_percent=1))
    assert await course(device) == [
        ("offline", "online"), ("online", "disabled"), ("disabled", "offline"), ("offline", "online"),
    ]  # fmt: skip
    assert await deeds(device, employee) == ["device_deactivated", "device_activated"]


async def test_activating_what_is_active_changes_nothing(device: Device, employee: Employee) -> None:
    await told(device)
    before = await seen(device)
    assert await changed(device, employee, "activate") == before
    assert await deeds(device, employee) == []


# Decommissioned


async def test_a_decommissioned_device_has_no_token_and_no_open_command(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await told(device)
    await device.accepted(sample(cpu_percent=1))
    made = [await order(device, employee, kind) for kind in ("ended", "begun", "fetched", "waiting")]
    commands = {command["command_type"]: command for command in await fetched(device)}
    for kind in ("ended", "begun"):
        await tell(device, commands[kind], "started")
    await tell(device, commands["ended"], "result", status="completed", exit_code=0)
    made.append(await order(device, employee, "waiting_too", approval_required=True))
    found = await changed(device, employee, "decommission", reason=" sold ")
    assert (found["status"], found["is_active"], found["token_state"]) == ("disabled", False, "revoked")
    assert (found["decommission_reason"], found["decommissioned_at"] is None) == ("sold", False)
    assert (await beat(device)).status_code == (await device.send(sample())).status_code == 401
    rows = await pool.fetch(
        "SELECT command_type, status, due_at, changed_at, completed_at FROM agent_commands WHERE agent_device_id = $1",
        device.agent_id,
    )
    assert {row["command_type"]: row["status"] for row in rows} == {
        "ended": "completed", "begun": "cancelled", "fetched": "cancelled", "waiting": "cancelled",
        "waiting_too": "cancelled",
    }  # fmt: skip
    decommissioned_at = time_of(found["decommissioned_at"])
    cancelled = [row for row in rows if row["status"] == "cancelled"]
    assert {(row["due_at"], row["changed_at"], row["completed_at"]) for row in cancelled} == {
        (None, decommissioned_at, decommissioned_at)
    }
    assert (await deeds(device, employee)).count("command_cancelled") == 4
    (entry,) = [entry for entry in await trail(device, employee) if entry["action"] == "device_decommissioned"]
    assert entry["details"] == {"reason": "sold", "commands_cancelled": 4}
    assert (await device.history(metric="cpu_percent"))["metrics"]


async def test_a_decommissioned_device_is_not_just_activated(device: Device, employee: Employee) -> None:
    await changed(device, employee, "decommission", reason="sold")
    assert error_of(await change(device, employee, "activate")) == (409, "agent_decommissioned")
    assert (await seen(device))["is_active"] is False


@pytest.mark.parametrize("body", [{}, {"reason": " "}, {"reason": "x" * 501}, {"reason": "a\0"}, {"reason": None}])
async def test_a_device_isnt_decommissioned_without_a_reason(
    device: Device, employee: Employee, body: dict[str, Any]
) -> None:
    response = await device.client.post(path_of(device, "decommission"), json=body, headers=employee.headers)
    assert error_of(response) == (422, "invalid_request")


# Deleted and restored


async def test_a_deleted_device_is_nowhere_and_comes_back_with_its_history(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await told(device)
    await device.accepted(sample(cpu_percent=7))
    await removed(device, employee)
    for headers in (device.tenant.headers, employee.headers):
        for part in ((), ("events",), ("metrics", "history"), ("commands", "history")):
            response = await device.client.get(path_of(device, *part), headers=headers)
            assert error_of(response) == (404, "agent_not_found")
        assert str(device.agent_id) not in {found["id"] for found in await listed(device.client, headers, limit=1000)}
    assert (await beat(device)).status_code == (await device.send(sample())).status_code == 401
    assert error_of(await change(device, employee, method="DELETE")) == (404, "agent_not_found")
    assert error_of(await change(device, employee, "activate")) == (404, "agent_not_found")
    assert await pool.fetchval("SELECT deleted_at FROM agent_devices WHERE id = $1", device.agent_id) is not None
    assert await deeds(device, employee) == ["device_deleted"]
    found = await changed(device, employee, "restore")
    assert (found["status"], found["is_active"], found["token_state"]) == ("offline", True, "active")
    assert await pool.fetchval("SELECT deleted_at FROM agent_devices WHERE id = $1", device.agent_id) is None
    assert found["current_metrics"]["cpu_percent"] == 7
    await told(device)
    assert [event["event_type"] for event in await events(device)][:3] == [
        "status_changed", "status_changed", "restored",
    ]  # fmt: skip


async def test_a_decommissioned_device_is_restored_but_for_its_token(device: Device, employee: Employee) -> None:
    await changed(device, employee, "decommission", reason="sold")
    found = await changed(device, employee, "restore")
    assert (found["status"], found["is_active"], found["token_state"]) == ("offline", True, "revoked")
    assert (found["decommissioned_at"], found["decommission_reason"]) == (None, None)
    assert (await beat(device)).status_code == 401


async def test_a_deactivated_device_is_not_activated_by_restoring_it(device: Device, employee: Employee) -> None:
    await changed(device, employee, "deactivate")
    assert (await changed(device, employee, "restore"))["status"] == "disabled"
    assert await deeds(device, employee) == ["device_deactivated"]


# Changed


async def test_an_employee_changes_what_may_be_changed(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    site = await pool.fetchval(
        "INSERT INTO service_locations (business_id, location_name) VALUES ($1, 'Annex') RETURNING id",
        device.tenant.business_id,
    )
    wishes: dict[str, Any] = {
        "device_name": "renamed", "device_type": "server", "metrics_interval_seconds": 60,
        "monitoring_enabled": False, "alerts_enabled": False, "auto_remediation_enabled": True,
    }  # fmt: skip
    response = await change(device, employee, method="PATCH", service_location_id=str(site), **wishes)
    assert response.status_code == 200, response.text
    found = await seen(device)
    assert {name: found[name] for name in wishes} == wishes
    assert found["service_location"] == {"id": str(site), "location_name": "Annex"}
    assert response.json() == found
    (entry,) = [entry for entry in await trail(device, employee) if entry["action"] == "device_changed"]
    assert entry["details"]["device_name"] == {"from": "server-1", "to": "renamed"}
    assert set(entry["details"]) == {*wishes, "service_location_id"}


async def test_what_is_left_out_stays(device: Device, employee: Employee) -> None:
    before = await seen(device)
    response = await change(device, employee, method="PATCH", alerts_enabled=False)
    assert response.json() == before | {"alerts_enabled": False}


async def test_a_device_may_stand_at_no_site(device: Device, employee: Employee) -> None:
    response = await change(device, employee, method="PATCH", service_location_id=None)
    assert response.json()["service_location"] is None


async def test_a_changed_interval_is_told_by_the_next_heartbeat_and_nothing_else_is(
    device: Device, employee: Employee
) -> None:
    await told(device)
    await change(device, employee, method="PATCH", device_name="renamed")
    assert not (await told(device))["config_updated"]
    await change(device, employee, method="PATCH", metrics_interval_seconds=60)
    answer = await told(device)
    assert (answer["config_updated"], answer["config"]["metrics_interval_seconds"]) == (True, 60)
    await change(device, employee, method="PATCH", metrics_interval_seconds=60)
    assert not (await told(device))["config_updated"]


async def test_another_businesss_site_is_refused_and_nothing_is_changed(
    device: Device, employee: Employee, bob: Tenant
) -> None:
    before = await seen(device)
    for site in (bob.location_id, uuid4()):
        response = await change(device, employee, method="PATCH", device_name="x", service_location_id=str(site))
        assert error_of(response) == (404, "unknown_service_location")
    assert await seen(device) == before
    assert await deeds(device, employee) == []


@pytest.mark.parametrize(
    "body",
    [
        {"device_name": ""}, {"device_name": None}, {"device_name": "x" * 256}, {"device_type": "toaster"},
        {"device_type": None}, {"metrics_interval_seconds": 0}, {"metrics_interval_seconds": 86_401},
        {"metrics_interval_seconds": None}, {"alerts_enabled": None}, {"service_location_id": "HQ"},
        {"status": "online"}, {"business_id": str(uuid4())}, {"agent_token": "x"},
    ],
)  # fmt: skip
async def test_a_change_that_doesnt_fit_is_refused(device: Device, employee: Employee, body: dict[str, Any]) -> None:
    response = await device.client.patch(path_of(device), json=body, headers=employee.headers)
    assert error_of(response) == (422, "invalid_request")


async def test_updated_at_follows_changes_only(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    async def updated() -> datetime:
        at: datetime = await pool.fetchval("SELECT updated_at FROM agent_devices WHERE id = $1", device.agent_id)
        return at

    before = await updated()
    await change(device, employee, method="PATCH", device_name="server-1")
    await device.client.patch(path_of(device), json={}, headers=employee.headers)
    assert await updated() == before
    await change(device, employee, method="PATCH", device_name="renamed")
    assert await updated() > before


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


async def test_a_deleted_devices_open_commands_are_cancelled(
    device: Device, employee: Employee, client: httpx.AsyncClient
) -> None:
    made = await order(device, employee)
    url = f"/api/agents/{device.agent_id}"
    assert (await client.delete(url, headers=employee.headers)).status_code == 204
    assert (await client.post(f"{url}/restore", headers=employee.headers)).status_code == 200
    assert (await state(device, made, employee.headers))["status"] == "cancelled"
    assert await fetched(device) == []
