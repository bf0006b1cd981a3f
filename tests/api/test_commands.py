"""Commands from order to result: who may, who must approve, who gets them, and what the trail says."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from agents.command_delivery import GRACE, KEPT_HEAD, KEPT_TAIL, MOST_DELIVERIES, lease_commands, settle_due_commands
from agents.tokens import Tokens
from api.cursors import make_cursor
from tests.commands import act, fetched, later, nobody, order, state, tell, trail
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.people import Employee, Tenant, make_employee


def code_of(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


@pytest.fixture(scope="module")
async def second(pool: asyncpg.Pool, tokens: Tokens) -> Employee:
    """The employee who approves."""
    return await make_employee(pool, tokens)


async def settle(pool: asyncpg.Pool, **span: float) -> None:
    """Let the worker settle what is due at a later time."""
    async with pool.acquire() as connection:
        await settle_due_commands(connection, later(**span))


# The course of a command


async def test_a_command_is_fetched_begun_and_ended(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    made = await order(device, employee, "restart_service", params={"service": "nginx"}, timeout_seconds=30)
    assert (made["status"], made["awaits_approval"], made["attempts"]) == ("pending", False, 0)
    (command,) = await fetched(device)
    assert command == {
        "command_id": made["command_id"], "command_type": "restart_service", "params": {"service": "nginx"},
        "timeout_seconds": 30,
    }  # fmt: skip
    assert (await tell(device, command, "started")).json() == {"go_on": True}
    assert (await tell(device, command, "progress", percent=40, message="stopping")).status_code == 200
    halfway = await state(device, command, employee.headers)
    assert (halfway["status"], halfway["progress_percent"], halfway["progress_message"]) == (
        "executing",
        40,
        "stopping",
    )
    times = {"started_at": "2026-05-03T14:05:00Z", "completed_at": "2026-05-03T14:05:02Z"}
    answer = await tell(device, command, "result", status="completed", exit_code=0, stdout="ok\n", stderr="", **times)
    assert answer.json() == {"recorded": True}
    ended = await state(device, command, employee.headers)
    assert (ended["status"], ended["exit_code"], ended["stdout"], ended["progress_percent"]) == (
        "completed", 0, "ok\n", 100,
    )  # fmt: skip
    assert ended["started_at"] == "2026-05-03T14:05:00Z"
    assert await trail(pool, made) == ["command_created", "command_sent", "command_started", "command_completed"]


async def test_an_agent_that_only_polls_and_answers_needs_no_more(device: Device, employee: Employee) -> None:
    made = await order(device, employee)
    (command,) = await fetched(device)
    assert await fetched(device) == []
    await tell(device, command, "result", status="failed", exit_code=0xC0000005, stderr="access violation")
    ended = await state(device, made, employee.headers)
    assert (ended["status"], ended["exit_code"], ended["stderr"]) == ("failed", -1073741819, "access violation")


async def test_heartbeats_count_what_waits(device: Device, employee: Employee) -> None:
    async def pending() -> int:
        url = f"/api/agents/{device.agent_id}/heartbeat"
        answer = await device.client.post(url, json={"timestamp": later().isoformat()}, headers=device.headers)
        count: int = answer.json()["pending_commands"]
        return count

    assert await pending() == 0
    await order(device, employee)
    await order(device, employee, approval_required=True)
    assert await pending() == 1
    await fetched(device)
    assert await pending() == 0


async def test_commands_go_out_oldest_first_and_not_all_at_once(device: Device, employee: Employee) -> None:
    made = [await order(device, employee, "step", params={"n": n}) for n in range(23)]
    first = await fetched(device)
    assert [command["command_id"] for command in first] == [one["command_id"] for one in made[:20]]
    assert len(await fetched(device)) == 3


async def test_a_result_sent_again_changes_nothing(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    made = await order(device, employee)
    (command,) = await fetched(device)
    await tell(device, command, "result", status="completed", stdout="first")
    again = await tell(device, command, "result", status="failed", stdout="second")
    assert (again.status_code, again.json()) == (200, {"recorded": False})
    ended = await state(device, made, employee.headers)
    assert (ended["status"], ended["stdout"]) == ("completed", "first")
    assert (await trail(pool, made)).count("command_completed") == 1


async def test_a_long_output_keeps_its_beginning_and_its_end_and_says_so(device: Device, employee: Employee) -> None:
    made = await order(device, employee)
    (command,) = await fetched(device)
    output = "A" * KEPT_HEAD + "x" * 300_000 + "Z" * KEPT_TAIL
    assert (await tell(device, command, "result", status="completed", stdout=output, stderr="e")).status_code == 200
    ended = await state(device, made, employee.headers)
    assert (ended["stdout_cut"], ended["stderr_cut"]) == (True, False)
    assert ended["stdout"].startswith("A" * KEPT_HEAD + "\n[… 300000 characters cut out")
    assert ended["stdout"].endswith("]\n" + "Z" * KEPT_TAIL)


async def test_odd_characters_of_an_output_are_replaced(device: Device, employee: Employee) -> None:
    made = await order(device, employee)
    (command,) = await fetched(device)
    await tell(device, command, "result", status="completed", stdout="a\0b", stderr="é")
    body = b'{"status": "completed", "stdout": "\\ud800"}'
    url = f"/api/agents/{device.agent_id}/commands/{command['command_id']}/result"
    headers = device.headers | {"Content-Type": "application/json"}
    assert (await device.client.post(url, content=body, headers=headers)).status_code in (200, 422)
    ended = await state(device, made, employee.headers)
    assert (ended["stdout"], ended["stderr"]) == ("a\ufffdb", "é")


# Approval


async def test_a_command_that_awaits_approval_is_never_delivered(
    device: Device, employee: Employee, second: Employee, pool: asyncpg.Pool
) -> None:
    made = await order(device, employee, approval_required=True)
    assert made["awaits_approval"]
    assert await fetched(device) == []
    assert code_of(await tell(device, made, "started")) == (409, "command_not_delivered")
    assert code_of(await tell(device, made, "result", status="completed")) == (409, "command_not_delivered")
    await settle(pool, hours=1)
    assert await fetched(device) == []
    approved = (await act(device, second, made, "approve")).json()
    assert (approved["awaits_approval"], approved["approved_by"]) == (False, str(second.employee_id))
    assert [command["command_id"] for command in await fetched(device)] == [made["command_id"]]
    assert await trail(pool, made) == ["command_created", "command_approved", "command_sent"]


async def test_whoever_asks_cant_approve(device: Device, employee: Employee) -> None:
    made = await order(device, employee, approval_required=True)
    assert code_of(await act(device, employee, made, "approve")) == (403, "second_employee_needed")
    assert await fetched(device) == []


async def test_what_awaits_no_approval_cant_be_approved(device: Device, employee: Employee, second: Employee) -> None:
    made = await order(device, employee)
    assert code_of(await act(device, second, made, "approve")) == (409, "not_awaiting_approval")
    needing = await order(device, employee, approval_required=True)
    await act(device, second, needing, "approve")
    assert code_of(await act(device, second, needing, "approve")) == (409, "not_awaiting_approval")
    assert code_of(await act(device, second, nobody(), "approve")) == (404, "command_not_found")


async def test_some_types_need_approval_whatever_the_order_says(device: Device, employee: Employee) -> None:
    made = await order(device, employee, "run_script", params={"script": "id"}, approval_required=False)
    assert (made["approval_required"], made["awaits_approval"]) == (True, True)


async def test_the_database_itself_lets_no_unapproved_command_out(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    made = await order(device, employee, approval_required=True)
    for status in ("sent", "executing", "completed"):
        with pytest.raises(asyncpg.CheckViolationError):
            await pool.execute(
                "UPDATE agent_commands SET status = $2 WHERE id = $1::text::uuid", made["command_id"], status
            )
    with pytest.raises(asyncpg.CheckViolationError):
        await pool.execute(
            "UPDATE agent_commands SET approved_by = requested_by, approved_at = now() WHERE id = $1::text::uuid",
            made["command_id"],
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


# Delivery


async def test_racing_pollers_never_get_the_same_command(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    made = {(await order(device, employee, "step"))["command_id"] for _ in range(60)}

    async def poll() -> list[str]:
        return [str(row["id"]) for row in await lease_commands(pool, [device.agent_id], later(), "poll")]

    taken = [command for batch in await asyncio.gather(*(poll() for _ in range(12))) for command in batch]
    assert len(taken) == len(set(taken)) == 60
    assert set(taken) == made


async def test_a_lease_that_runs_out_brings_the_command_again(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    made = await order(device, employee, timeout_seconds=30)
    for attempt in range(1, MOST_DELIVERIES + 1):
        (command,) = await fetched(device)
        assert command["command_id"] == made["command_id"]
        await settle(pool, seconds=30)
        assert await fetched(device) == []
        await settle(pool, seconds=31 + GRACE.total_seconds())
        assert (await state(device, made, employee.headers))["attempts"] == attempt
    ended = await state(device, made, employee.headers)
    assert (ended["status"], await fetched(device)) == ("timeout", [])


async def test_what_has_begun_isnt_handed_out_again_but_times_out(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    made = await order(device, employee, timeout_seconds=120)
    (command,) = await fetched(device)
    await tell(device, command, "started")
    await settle(pool, seconds=121)
    assert (await state(device, made, employee.headers))["status"] == "executing"
    await settle(pool, seconds=125 + GRACE.total_seconds())
    ended = await state(device, made, employee.headers)
    assert ended["status"] == "timeout"
    assert "time-out" in ended["error_message"]
    late = await tell(device, command, "result", status="completed", stdout="after all")
    assert late.json() == {"recorded": True}
    assert (await state(device, made, employee.headers))["status"] == "completed"
    assert (await trail(pool, made))[-2:] == ["command_timeout", "command_completed"]


async def test_a_device_that_stays_away_gets_it_when_it_returns_unless_it_has_expired(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    short = await order(device, employee, "short", expires_in_hours=1)
    long = await order(device, employee, "long", expires_in_hours=100)
    await settle(pool, hours=24)
    assert (await state(device, short, employee.headers))["status"] == "expired"
    assert [command["command_id"] for command in await fetched(device)] == [long["command_id"]]


async def test_what_has_expired_isnt_delivered_even_before_the_worker_looks(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    made = await order(device, employee)
    await pool.execute(
        "UPDATE agent_commands SET expires_at = now() - interval '1 second' WHERE id = $1::text::uuid",
        made["command_id"],
    )
    assert await fetched(device) == []


async def test_two_workers_settle_each_command_once(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    made = [await order(device, employee) for _ in range(20)]
    await asyncio.gather(*(settle(pool, days=2) for _ in range(4)))
    for command in made:
        assert await trail(pool, command) == ["command_created", "command_expired"]


# Cancelling


async def test_what_waits_is_cancelled_at_once(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    made = await order(device, employee)
    cancelled = (await act(device, employee, made, "cancel", reason="a mistake")).json()
    assert (cancelled["status"], cancelled["error_message"]) == ("cancelled", "a mistake")
    assert await fetched(device) == []
    assert code_of(await act(device, employee, made, "cancel")) == (409, "command_ended")
    assert await trail(pool, made) == ["command_created", "command_cancelled"]


async def test_what_has_begun_is_asked_to_stop(device: Device, employee: Employee) -> None:
    made = await order(device, employee)
    (command,) = await fetched(device)
    await tell(device, command, "started")
    asked = (await act(device, employee, made, "cancel")).json()
    assert (asked["status"], asked["cancel_requested_at"] is not None) == ("executing", True)
    url = f"/api/agents/{device.agent_id}/commands"
    assert (await device.client.get(url, headers=device.headers)).json() == {
        "commands": [], "cancel_commands": [made["command_id"]],
    }  # fmt: skip
    assert (await tell(device, command, "progress", percent=50)).json() == {"go_on": False}
    await tell(device, command, "result", status="cancelled")
    assert (await state(device, made, employee.headers))["status"] == "cancelled"


async def test_what_was_fetched_and_cancelled_must_not_begin(
    device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    made = await order(device, employee)
    (command,) = await fetched(device)
    await act(device, employee, made, "cancel")
    assert code_of(await tell(device, command, "started")) == (409, "command_ended")
    await settle(pool, hours=1)
    assert (await state(device, made, employee.headers))["status"] == "cancelled"


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
    assert code_of(await client.post(f"{url}/approve", headers=employee.headers)) == (403, "second_employee_needed")
    waiting = await client.get("/api/agents/commands?awaits_approval=true&limit=1000", headers=second.headers)
    assert {one["command_id"] for one in batch["commands"]} <= {one["command_id"] for one in waiting.json()["commands"]}
    assert len((await client.post(f"{url}/approve", headers=second.headers)).json()["changed"]) == 11
    assert len(await fetched(devices[0])) == 1
    cancelled = (await client.post(f"{url}/cancel", headers=employee.headers)).json()
    assert len(cancelled["changed"]) == 11
    unknown = await client.post(f"/api/agents/commands/batches/{uuid4()}/cancel", headers=employee.headers)
    assert code_of(unknown) == (404, "command_not_found")


# Who may


async def test_a_customer_orders_nothing_and_sees_the_course_but_not_the_content(
    device: Device, employee: Employee, bob: Tenant, charlie: Tenant
) -> None:
    url, tenant = f"/api/agents/{device.agent_id}/commands", device.tenant
    refused = await device.client.post(url, json={"command_type": "collect_now"}, headers=tenant.headers)
    assert code_of(refused) == (403, "employees_only")
    made = await order(device, employee, params={"secret": "x"})
    seen = await state(device, made, tenant.headers)
    assert (seen["status"], seen["params"], seen["requested_by"]) == ("pending", None, None)
    for verb in ("approve", "cancel"):
        answer = await device.client.post(f"{url}/{made['command_id']}/{verb}", headers=tenant.headers)
        assert code_of(answer) == (403, "employees_only")
    for other in (bob, charlie):
        one = await device.client.get(f"{url}/{made['command_id']}", headers=other.headers)
        assert code_of(one) == (404, "command_not_found")
        assert code_of(await device.client.get(f"{url}/history", headers=other.headers)) == (404, "agent_not_found")
        everything = await device.client.get("/api/agents/commands?limit=1000", headers=other.headers)
        assert made["command_id"] not in everything.text


async def test_anothers_commands_cant_be_fetched_or_answered(
    make_device: MakeDevice, employee: Employee, bob: Tenant
) -> None:
    first, other = await make_device(), await make_device(bob)
    made = await order(first, employee)
    answer = await first.client.get(f"/api/agents/{first.agent_id}/commands", headers=other.headers)
    assert code_of(answer) == (403, "wrong_agent")
    assert await fetched(other) == []
    (command,) = await fetched(first)
    assert code_of(await tell(other, command, "result", status="completed")) == (404, "command_not_found")
    assert (await state(first, made, employee.headers))["status"] == "sent"


async def test_an_employee_whom_the_platform_doesnt_know_orders_nothing(
    device: Device, pool: asyncpg.Pool, tokens: Tokens
) -> None:
    stranger = await make_employee(pool, tokens)
    await pool.execute("DELETE FROM employees WHERE id = $1", stranger.employee_id)
    answer = await device.client.post(
        f"/api/agents/{device.agent_id}/commands", json={"command_type": "x"}, headers=stranger.headers
    )
    assert code_of(answer) == (403, "unknown_employee")


async def test_a_revoked_agent_fetches_nothing(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    await order(device, employee)
    await pool.execute("UPDATE agent_devices SET agent_token = NULL WHERE id = $1", device.agent_id)
    answer = await device.client.get(f"/api/agents/{device.agent_id}/commands", headers=device.headers)
    assert code_of(answer) == (401, "token_revoked")


# Lists and odd requests


async def test_history_pages_newest_first_and_filters(device: Device, employee: Employee) -> None:
    made = [await order(device, employee, f"step-{n}") for n in range(5)]
    await act(device, employee, made[0], "cancel")
    url: str | None = f"/api/agents/{device.agent_id}/commands/history?limit=2"
    seen: list[str] = []
    while url:
        page = (await device.client.get(url, headers=employee.headers)).json()
        seen += [command["command_id"] for command in page["commands"]]
        after = page["next_cursor"]
        url = f"/api/agents/{device.agent_id}/commands/history?limit=2&cursor={after}" if after else None
    assert seen == [one["command_id"] for one in reversed(made)]
    cancelled = await device.client.get(
        "/api/agents/commands", params={"agent_id": str(device.agent_id), "status": "cancelled,failed"},
        headers=employee.headers,
    )  # fmt: skip
    assert [one["command_id"] for one in cancelled.json()["commands"]] == [made[0]["command_id"]]


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
    assert code_of(answer) == (422, "invalid_request")


@pytest.mark.parametrize(
    "query", ["status=", "status=done", "cursor=x", "limit=0", f"cursor={make_cursor('2026-05-03', uuid4())}"]
)
async def test_a_list_that_doesnt_fit_is_refused(client: httpx.AsyncClient, employee: Employee, query: str) -> None:
    assert (await client.get(f"/api/agents/commands?{query}", headers=employee.headers)).status_code == 422


@pytest.mark.parametrize(
    "body",
    [
        {"status": "pending"}, {"status": "completed", "exit_code": 2**32}, {"status": "completed", "exit_code": 0.5},
        {"status": "completed", "started_at": "0001-01-01T00:00:00+14:00"},
        {"status": "completed", "completed_at": "2026-05-03T14:05:00"},
    ],
)  # fmt: skip
async def test_a_result_that_doesnt_fit_is_refused(device: Device, employee: Employee, body: dict[str, Any]) -> None:
    await order(device, employee)
    (command,) = await fetched(device)
    assert code_of(await tell(device, command, "result", **body)) == (422, "invalid_request")
