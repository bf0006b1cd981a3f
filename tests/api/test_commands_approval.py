"""Who must approve a command, and that none goes out before; one order for many devices."""

from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from auth.tokens import Tokens
from tests.calls import error_of
from tests.commands import act, fetched, nobody, order, settle, tell, trail
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, make_employee


@pytest.fixture(scope="module")
async def second(pool: asyncpg.Pool, tokens: Tokens) -> Employee:
    """The employee who approves."""
    return await make_employee(pool, tokens)


# Approval


async def test_a_command_that_awaits_approval_is_never_delivered(
    device: Device, employee: Employee, second: Employee, pool: asyncpg.Pool
) -> None:
    ordered = await order(device, employee, approval_required=True)
    assert ordered["awaits_approval"]
    assert await fetched(device) == []
    assert error_of(await tell(device, ordered, "started")) == (409, "command_not_delivered")
    assert error_of(await tell(device, ordered, "result", status="completed")) == (409, "command_not_delivered")
    await settle(pool, hours=1)
    assert await fetched(device) == []
    approved = (await act(device, second, ordered, "approve")).json()
    assert (approved["awaits_approval"], approved["approved_by"]) == (False, str(second.employee_id))
    assert [command["command_id"] for command in await fetched(device)] == [ordered["command_id"]]
    assert await trail(pool, ordered) == ["command_created", "command_approved", "command_sent"]


async def test_the_requester_cannot_approve(device: Device, employee: Employee) -> None:
    command = await order(device, employee, approval_required=True)
    assert error_of(await act(device, employee, command, "approve")) == (403, "second_employee_needed")
    assert await fetched(device) == []


async def test_a_command_without_pending_approval_cannot_be_approved(
    device: Device, employee: Employee, second: Employee
) -> None:
    command = await order(device, employee)
    assert error_of(await act(device, second, command, "approve")) == (409, "not_awaiting_approval")
    needing = await order(device, employee, approval_required=True)
    await act(device, second, needing, "approve")
    assert error_of(await act(device, second, needing, "approve")) == (409, "not_awaiting_approval")
    assert error_of(await act(device, second, nobody(), "approve")) == (404, "command_not_found")


async def test_some_types_need_approval_whatever_the_order_says(device: Device, employee: Employee) -> None:
    command = await order(device, employee, "run_script", params={"script": "id"}, approval_required=False)
    assert (command["approval_required"], command["awaits_approval"]) == (True, True)


async def test_the_database_itself_lets_no_unapproved_command_out(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    command = await order(device, employee, approval_required=True)
    for status in ("sent", "executing", "completed"):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(
                "UPDATE agent_commands SET status = $2 WHERE id = $1::text::uuid", command["command_id"], status
            )
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "UPDATE agent_commands SET approved_by = requested_by, approved_at = now() WHERE id = $1::text::uuid",
            command["command_id"],
        )


async def test_a_row_that_the_platform_inserts_itself_is_a_command_too(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    insert = (
        "INSERT INTO agent_commands (agent_device_id, command_type, requested_by, approval_required) "
        "VALUES ($1, $2, $3, $4)"
    )
    await pool.execute(insert, device.agent_id, "plain", employee.employee_id, False)
    await pool.execute(insert, device.agent_id, "needing", employee.employee_id, True)
    assert [command["command_type"] for command in await fetched(device)] == ["plain"]
    await settle(pool, days=2)
    query = "SELECT command_type, status FROM agent_commands WHERE agent_device_id = $1 ORDER BY command_type DESC"
    assert [tuple(row) for row in await pool.fetch(query, device.agent_id)] == [
        ("plain", "timeout"), ("needing", "expired"),
    ]  # fmt: skip


# Many devices


async def order_many(device: Device, who: Employee, ids: list[str], **more: Any) -> httpx.Response:
    body = {"command_type": "collect_now", "agent_ids": ids, **more}
    return await device.client.post("/api/agents/commands", json=body, headers=who.headers)


async def test_one_order_goes_to_many_devices(make_device: MakeDevice, employee: Employee, pool: asyncpg.Pool) -> None:
    devices = [await make_device() for _ in range(3)]
    inactive = await make_device()
    await pool.execute("UPDATE agent_devices SET is_active = false WHERE id = $1", inactive.agent_id)
    unknown = uuid4()
    ids = [str(one.agent_id) for one in (*devices, devices[0], inactive)] + [str(unknown)]
    answer = await order_many(devices[0], employee, ids)
    assert answer.status_code == 201
    batch = answer.json()
    assert len(batch["commands"]) == 3
    assert {(one["agent_id"], one["code"]) for one in batch["not_created"]} == {
        (str(inactive.agent_id), "agent_inactive"), (str(unknown), "agent_not_found"),
    }  # fmt: skip
    for device in devices:
        assert len(await fetched(device)) == 1


async def test_many_devices_at_once_need_a_second_employee(
    make_device: MakeDevice, employee: Employee, second: Employee
) -> None:
    devices = [await make_device() for _ in range(11)]
    batch = (await order_many(devices[0], employee, [str(one.agent_id) for one in devices])).json()
    assert all(command["awaits_approval"] for command in batch["commands"])
    assert await fetched(devices[0]) == []
    url = f"/api/agents/commands/batches/{batch['batch_id']}"
    client = devices[0].client
    assert error_of(await client.post(f"{url}/approve", headers=employee.headers)) == (403, "second_employee_needed")
    waiting = await client.get("/api/agents/commands?awaits_approval=true&limit=1000", headers=second.headers)
    assert {one["command_id"] for one in batch["commands"]} <= {one["command_id"] for one in waiting.json()["commands"]}
    assert len((await client.post(f"{url}/approve", headers=second.headers)).json()["changed"]) == 11
    assert len(await fetched(devices[0])) == 1
    cancelled = (await client.post(f"{url}/cancel", headers=employee.headers)).json()
    assert len(cancelled["changed"]) == 11
    unknown = await client.post(f"/api/agents/commands/batches/{uuid4()}/cancel", headers=employee.headers)
    assert error_of(unknown) == (404, "command_not_found")
