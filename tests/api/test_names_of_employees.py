"""The names of employees on commands and in the audit trail: employees read them, customers never do."""

import csv
import io
import json
from typing import Any

import asyncpg
import httpx
import pytest

from auth.tokens import Tokens
from tests.calls import answer_of, changed, error_of, path_of, trail
from tests.commands import act, order
from tests.devices import Device
from tests.people import Employee, Tenant, make_employee

WHOLE = "/api/admin/audit"
Names = tuple[str | None, str | None]


@pytest.fixture
async def people(pool: asyncpg.Pool, tokens: Tokens) -> tuple[Employee, Employee]:
    """Two employees: one has a first and last name, the other only an address."""
    named, other = await make_employee(pool, tokens), await make_employee(pool, tokens)
    query = "UPDATE employees SET first_name = 'Tess', last_name = 'Technician' WHERE id = $1"
    await pool.execute(query, named.employee_id)
    return named, other


def address(employee: Employee) -> str:
    return f"{employee.employee_id}@msp.example"


async def approved(device: Device, people: tuple[Employee, Employee]) -> dict[str, Any]:
    """Let the first order a command and the second approve it."""
    command = await order(device, people[0], approval_required=True)
    return answer_of(await act(device, people[1], command, "approve"))


async def commands(device: Device, command_id: str, headers: dict[str, str]) -> list[dict[str, Any]]:
    """Read a command by each call that shows it."""
    one = answer_of(await device.client.get(path_of(device, "commands", command_id), headers=headers))
    lists = [
        answer_of(await device.client.get(path, params=query, headers=headers))["commands"]
        for path, query in (
            (path_of(device, "commands", "history"), {}),
            ("/api/agents/commands", {"agent_id": str(device.agent_id)}),
        )
    ]
    return [one, *(command for page in lists for command in page if command["command_id"] == command_id)]


def names_of(command: dict[str, Any]) -> Names:
    return command["requested_by_name"], command["approved_by_name"]


async def exported(client: httpx.AsyncClient, employee: Employee, device: Device, form: str) -> str:
    query = {"agent_id": str(device.agent_id), "format": form}
    answer = await client.get(f"{WHOLE}/export", params=query, headers=employee.headers)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_a_command_names_who_ordered_and_who_approved_it(
    device: Device, people: tuple[Employee, Employee]
) -> None:
    command = await approved(device, people)
    expected = ("Tess Technician", address(people[1]))
    assert names_of(command) == expected
    listed = await commands(device, command["command_id"], people[0].headers)
    assert [names_of(one) for one in listed] == [expected] * 3


async def test_customers_read_no_name_and_other_businesses_no_command(
    device: Device, people: tuple[Employee, Employee], bob: Tenant, charlie: Tenant
) -> None:
    command = await approved(device, people)
    listed = await commands(device, command["command_id"], device.tenant.headers)
    assert len(listed) == 3
    for one in listed:
        assert names_of(one) == (None, None)
        text = json.dumps(one)
        assert "Tess" not in text
        assert address(people[1]) not in text
    for tenant in (bob, charlie):
        for parts, code in (((command["command_id"],), "command_not_found"), (("history",), "agent_not_found")):
            answer = await device.client.get(path_of(device, "commands", *parts), headers=tenant.headers)
            assert error_of(answer) == (404, code)


async def test_a_command_keeps_the_names_of_employees_who_were_deleted(
    device: Device, people: tuple[Employee, Employee], employee: Employee, pool: asyncpg.Pool
) -> None:
    command = await approved(device, people)
    await pool.execute("DELETE FROM employees WHERE id = ANY ($1)", [one.employee_id for one in people])
    for one in await commands(device, command["command_id"], employee.headers):
        assert names_of(one) == ("Tess Technician", address(people[1]))
        assert (one["requested_by"], one["approved_by"]) == (None, None)


async def test_the_trail_names_employees_and_nobody_else(
    device: Device, people: tuple[Employee, Employee], employee: Employee
) -> None:
    await changed(device, people[0], "deactivate")
    await changed(device, people[1], "activate")
    query = {"agent_id": str(device.agent_id)}
    whole = answer_of(await device.client.get(WHOLE, params=query, headers=employee.headers))["entries"][::-1]
    lines = (await exported(device.client, employee, device, "jsonl")).splitlines()[::-1]
    for entries in (await trail(device, employee), whole, [json.loads(line) for line in lines]):
        named = {entry["action"]: entry["actor_name"] for entry in entries if entry["actor_kind"] == "employee"}
        assert named["device_deactivated"] == "Tess Technician"
        assert named["device_activated"] == address(people[1])
        others = [entry["actor_name"] for entry in entries if entry["actor_kind"] != "employee"]
        assert others, "the registration is the agent's"
        assert set(others) == {None}


async def test_an_id_that_only_looks_like_an_employees_has_no_name(
    device: Device, people: tuple[Employee, Employee], employee: Employee, pool: asyncpg.Pool
) -> None:
    await pool.execute(
        "INSERT INTO agent_audit (at, actor_kind, actor_id, action, agent_device_id) "
        "VALUES (now(), 'user', $1, 'looked', $2)",
        people[0].employee_id, device.agent_id,
    )  # fmt: skip
    last = (await trail(device, employee))[-1]
    assert (last["action"], last["actor_name"]) == ("looked", None)


async def test_the_trail_of_a_deleted_employee_keeps_the_id(
    device: Device, people: tuple[Employee, Employee], employee: Employee, pool: asyncpg.Pool
) -> None:
    await changed(device, people[0], "deactivate")
    await pool.execute("DELETE FROM employees WHERE id = $1", people[0].employee_id)
    last = (await trail(device, employee))[-1]
    assert (last["actor_id"], last["actor_name"]) == (str(people[0].employee_id), None)


async def test_customers_read_no_trail(device: Device, bob: Tenant, charlie: Tenant) -> None:
    for tenant in (device.tenant, bob, charlie):
        for path in (path_of(device, "audit"), WHOLE, f"{WHOLE}/export"):
            assert error_of(await device.client.get(path, headers=tenant.headers)) == (403, "employees_only")


async def test_a_name_in_an_export_is_no_formula(
    device: Device, people: tuple[Employee, Employee], pool: asyncpg.Pool
) -> None:
    await pool.execute("UPDATE employees SET first_name = '=1+1' WHERE id = $1", people[0].employee_id)
    await changed(device, people[0], "deactivate")
    text = await exported(device.client, people[1], device, "csv")
    assert next(csv.DictReader(io.StringIO(text, newline="")))["actor_name"] == "'=1+1 Technician"
