"""A device's life as employees lead it: who may, and its ends; decommissioned, deleted, restored."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from tests.api.lifecycle_calls import each_call
from tests.calls import (
    beat,
    change,
    changed,
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
from tests.devices import Device, sample
from tests.people import Employee, Tenant

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


# Decommissioned


async def test_a_decommissioned_device_has_no_token_and_no_open_command(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    await told(device)
    await device.accepted(sample(cpu_percent=1))
    ordered = [await order(device, employee, kind) for kind in ("ended", "begun", "fetched", "waiting")]
    commands = {command["command_type"]: command for command in await fetched(device)}
    for kind in ("ended", "begun"):
        await tell(device, commands[kind], "started")
    await tell(device, commands["ended"], "result", status="completed", exit_code=0)
    ordered.append(await order(device, employee, "waiting_too", approval_required=True))
    changed_device = await changed(device, employee, "decommission", reason=" sold ")
    assert (changed_device["status"], changed_device["is_active"], changed_device["token_state"]) == (
        "disabled",
        False,
        "revoked",
    )
    assert (changed_device["decommission_reason"], changed_device["decommissioned_at"] is None) == ("sold", False)
    assert (await beat(device)).status_code == (await device.send(sample())).status_code == 401
    rows = await pool.fetch(
        "SELECT command_type, status, due_at, changed_at, completed_at FROM agent_commands WHERE agent_device_id = $1",
        device.agent_id,
    )
    assert {row["command_type"]: row["status"] for row in rows} == {
        "ended": "completed", "begun": "cancelled", "fetched": "cancelled", "waiting": "cancelled",
        "waiting_too": "cancelled",
    }  # fmt: skip
    decommissioned_at = time_of(changed_device["decommissioned_at"])
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
        assert str(device.agent_id) not in {agent["id"] for agent in await listed(device.client, headers, limit=1000)}
    assert (await beat(device)).status_code == (await device.send(sample())).status_code == 401
    assert error_of(await change(device, employee, method="DELETE")) == (404, "agent_not_found")
    assert error_of(await change(device, employee, "activate")) == (404, "agent_not_found")
    assert await pool.fetchval("SELECT deleted_at FROM agent_devices WHERE id = $1", device.agent_id) is not None
    assert await deeds(device, employee) == ["device_deleted"]
    changed_device = await changed(device, employee, "restore")
    assert (changed_device["status"], changed_device["is_active"], changed_device["token_state"]) == (
        "offline",
        True,
        "active",
    )
    assert await pool.fetchval("SELECT deleted_at FROM agent_devices WHERE id = $1", device.agent_id) is None
    assert changed_device["current_metrics"]["cpu_percent"] == 7
    await told(device)
    assert [event["event_type"] for event in await events(device)][:3] == [
        "status_changed", "status_changed", "restored",
    ]  # fmt: skip


async def test_a_decommissioned_device_is_restored_but_for_its_token(device: Device, employee: Employee) -> None:
    await changed(device, employee, "decommission", reason="sold")
    changed_device = await changed(device, employee, "restore")
    assert (changed_device["status"], changed_device["is_active"], changed_device["token_state"]) == (
        "offline",
        True,
        "revoked",
    )
    assert (changed_device["decommissioned_at"], changed_device["decommission_reason"]) == (None, None)
    assert (await beat(device)).status_code == 401


async def test_a_deactivated_device_is_not_activated_by_restoring_it(device: Device, employee: Employee) -> None:
    await changed(device, employee, "deactivate")
    assert (await changed(device, employee, "restore"))["status"] == "disabled"
    assert await deeds(device, employee) == ["device_deactivated"]


async def test_a_deleted_devices_open_commands_are_cancelled(
    device: Device, employee: Employee, client: httpx.AsyncClient
) -> None:
    command = await order(device, employee)
    url = f"/api/agents/{device.agent_id}"
    assert (await client.delete(url, headers=employee.headers)).status_code == 204
    assert (await client.post(f"{url}/restore", headers=employee.headers)).status_code == 200
    assert (await state(device, command, employee.headers))["status"] == "cancelled"
    assert await fetched(device) == []
