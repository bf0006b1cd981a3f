"""Who may not order, fetch or read commands; and orders, answers and lists that don't fit."""

from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from api.fields.cursors import make_cursor
from auth.tokens import Tokens
from tests.calls import error_of
from tests.commands import fetched, order, state, tell
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant, make_employee

# Who may


async def test_a_customer_orders_nothing_and_sees_the_course_but_not_the_content(
    device: Device, employee: Employee, bob: Tenant, charlie: Tenant
) -> None:
    url, tenant = f"/api/agents/{device.agent_id}/commands", device.tenant
    refused = await device.client.post(url, json={"command_type": "collect_now"}, headers=tenant.headers)
    assert error_of(refused) == (403, "employees_only")
    command = await order(device, employee, params={"secret": "x"})
    seen = await state(device, command, tenant.headers)
    assert (seen["status"], seen["params"], seen["requested_by"]) == ("pending", None, None)
    for verb in ("approve", "cancel"):
        answer = await device.client.post(f"{url}/{command['command_id']}/{verb}", headers=tenant.headers)
        assert error_of(answer) == (403, "employees_only")
    for other in (bob, charlie):
        one = await device.client.get(f"{url}/{command['command_id']}", headers=other.headers)
        assert error_of(one) == (404, "command_not_found")
        assert error_of(await device.client.get(f"{url}/history", headers=other.headers)) == (404, "agent_not_found")
        everything = await device.client.get("/api/agents/commands?limit=1000", headers=other.headers)
        assert command["command_id"] not in everything.text


async def test_anothers_commands_cant_be_fetched_or_answered(
    make_device: MakeDevice, employee: Employee, bob: Tenant
) -> None:
    first, other = await make_device(), await make_device(bob)
    ordered = await order(first, employee)
    answer = await first.client.get(f"/api/agents/{first.agent_id}/commands", headers=other.headers)
    assert error_of(answer) == (403, "wrong_agent")
    assert await fetched(other) == []
    (command,) = await fetched(first)
    assert error_of(await tell(other, command, "result", status="completed")) == (404, "command_not_found")
    assert (await state(first, ordered, employee.headers))["status"] == "sent"


async def test_an_employee_whom_the_platform_doesnt_know_orders_nothing(
    device: Device, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    stranger = await make_employee(pool, tokens)
    await pool.execute("DELETE FROM employees WHERE id = $1", stranger.employee_id)
    answer = await device.client.post(
        f"/api/agents/{device.agent_id}/commands", json={"command_type": "x"}, headers=stranger.headers
    )
    assert error_of(answer) == (403, "unknown_employee")


async def test_a_revoked_agent_fetches_nothing(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    await order(device, employee)
    await pool.execute("UPDATE agent_devices SET agent_token = NULL WHERE id = $1", device.agent_id)
    answer = await device.client.get(f"/api/agents/{device.agent_id}/commands", headers=device.headers)
    assert error_of(answer) == (401, "token_revoked")


# Odd requests


@pytest.mark.parametrize(
    "body",
    [
        {}, {"command_type": ""}, {"command_type": "Restart"}, {"command_type": "a b"}, {"command_type": "x" * 101},
        {"command_type": "x", "params": []}, {"command_type": "x", "params": {"a": "\0"}},
        {"command_type": "x", "params": {"a": "x" * 70_000}}, {"command_type": "x", "timeout_seconds": 0},
        {"command_type": "x", "expires_in_hours": 0}, {"command_type": "x", "expires_in_hours": 1e9},
        {"command_type": "x", "params": {"n": 10**30}},
    ],
)  # fmt: skip
async def test_an_order_that_doesnt_fit_is_refused(device: Device, employee: Employee, body: dict[str, Any]) -> None:
    answer = await device.client.post(f"/api/agents/{device.agent_id}/commands", json=body, headers=employee.headers)
    assert error_of(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    "query", ["status=", "status=done", "cursor=x", "limit=0", f"cursor={make_cursor('2026-05-03', UUID(int=1))}"]
)
async def test_a_list_that_doesnt_fit_is_refused(client: httpx.AsyncClient, employee: Employee, query: str) -> None:
    assert (await client.get(f"/api/agents/commands?{query}", headers=employee.headers)).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"status": "pending"}, {"status": "completed", "exit_code": 2**32}, {"status": "completed", "exit_code": 0.5},
        {"status": "completed", "completed_at": "2026-05-03T14:05:00"},
    ],
)  # fmt: skip
async def test_a_result_that_doesnt_fit_is_refused(device: Device, employee: Employee, body: dict[str, Any]) -> None:
    await order(device, employee)
    (command,) = await fetched(device)
    assert error_of(await tell(device, command, "result", **body)) == (422, "invalid_request")
