"""The course of commands from order to result: what agents fetch and tell, and what the trail and the history say."""

from datetime import datetime, timedelta

import asyncpg
import pytest

from commands.delivery import KEPT_HEAD, KEPT_TAIL
from core.clock import utc_now
from tests.commands import act, fetched, later, order, state, tell, trail
from tests.devices import Device
from tests.people import Employee

# The course of a command


async def test_a_command_is_fetched_begun_and_ended(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    ordered = await order(device, employee, "restart_service", params={"service": "nginx"}, timeout_seconds=30)
    assert (ordered["status"], ordered["awaits_approval"], ordered["attempts"]) == ("pending", False, 0)
    (command,) = await fetched(device)
    assert command == {
        "command_id": ordered["command_id"], "command_type": "restart_service", "params": {"service": "nginx"},
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
    began = (utc_now() - timedelta(hours=3)).replace(microsecond=0)  # by a clock that is behind
    times = {"started_at": began.isoformat(), "completed_at": (began + timedelta(seconds=2)).isoformat()}
    answer = await tell(device, command, "result", status="completed", exit_code=0, stdout="ok\n", stderr="", **times)
    assert answer.json() == {"recorded": True}
    ended = await state(device, command, employee.headers)
    assert (ended["status"], ended["exit_code"], ended["stdout"], ended["progress_percent"]) == (
        "completed", 0, "ok\n", 100,
    )  # fmt: skip
    assert datetime.fromisoformat(ended["started_at"]) == began
    assert await trail(pool, ordered) == ["command_created", "command_sent", "command_started", "command_completed"]


async def test_an_agent_that_only_polls_and_answers_needs_no_more(device: Device, employee: Employee) -> None:
    ordered = await order(device, employee)
    (command,) = await fetched(device)
    assert await fetched(device) == []
    await tell(device, command, "result", status="failed", exit_code=0xC0000005, stderr="access violation")
    ended = await state(device, ordered, employee.headers)
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
    commands = [await order(device, employee, "step", params={"n": n}) for n in range(23)]
    first = await fetched(device)
    assert [command["command_id"] for command in first] == [one["command_id"] for one in commands[:20]]
    assert len(await fetched(device)) == 3


async def test_a_result_sent_again_changes_nothing(device: Device, employee: Employee, pool: asyncpg.Pool) -> None:
    ordered = await order(device, employee)
    (command,) = await fetched(device)
    await tell(device, command, "result", status="completed", stdout="first")
    again = await tell(device, command, "result", status="failed", stdout="second")
    assert (again.status_code, again.json()) == (200, {"recorded": False})
    ended = await state(device, ordered, employee.headers)
    assert (ended["status"], ended["stdout"]) == ("completed", "first")
    assert (await trail(pool, ordered)).count("command_completed") == 1


async def test_a_long_output_keeps_its_beginning_and_its_end_and_says_so(device: Device, employee: Employee) -> None:
    ordered = await order(device, employee)
    (command,) = await fetched(device)
    output = "A" * KEPT_HEAD + "x" * 300_000 + "Z" * KEPT_TAIL
    assert (await tell(device, command, "result", status="completed", stdout=output, stderr="e")).status_code == 200
    ended = await state(device, ordered, employee.headers)
    assert (ended["stdout_cut"], ended["stderr_cut"]) == (True, False)
    assert ended["stdout"].startswith("A" * KEPT_HEAD + "\n[… 300000 characters cut out")
    assert ended["stdout"].endswith("]\n" + "Z" * KEPT_TAIL)


async def test_odd_characters_of_an_output_are_replaced(device: Device, employee: Employee) -> None:
    ordered = await order(device, employee)
    (command,) = await fetched(device)
    await tell(device, command, "result", status="completed", stdout="a\0b", stderr="é")
    body = b'{"status": "completed", "stdout": "\\ud800"}'
    url = f"/api/agents/{device.agent_id}/commands/{command['command_id']}/result"
    headers = device.headers | {"Content-Type": "application/json"}
    assert (await device.client.post(url, content=body, headers=headers)).status_code in (200, 422)
    ended = await state(device, ordered, employee.headers)
    assert (ended["stdout"], ended["stderr"]) == ("a\ufffdb", "é")


# History


async def test_history_pages_newest_first_and_filters(device: Device, employee: Employee) -> None:
    commands = [await order(device, employee, f"step-{n}") for n in range(5)]
    await act(device, employee, commands[0], "cancel")
    url: str | None = f"/api/agents/{device.agent_id}/commands/history?limit=2"
    seen: list[str] = []
    while url:
        page = (await device.client.get(url, headers=employee.headers)).json()
        seen += [command["command_id"] for command in page["commands"]]
        after = page["next_cursor"]
        url = f"/api/agents/{device.agent_id}/commands/history?limit=2&cursor={after}" if after else None
    assert seen == [one["command_id"] for one in reversed(commands)]
    cancelled = await device.client.get(
        "/api/agents/commands", params={"agent_id": str(device.agent_id), "status": "cancelled,failed"},
        headers=employee.headers,
    )  # fmt: skip
    assert [one["command_id"] for one in cancelled.json()["commands"]] == [commands[0]["command_id"]]


NO_TIME_OF_IT = ["1970-01-01T00:00:00Z", "2199-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "2020-05-03T14:05:00Z"]


@pytest.mark.parametrize("time", NO_TIME_OF_IT)
async def test_a_time_far_from_the_commands_own_is_replaced_by_ours(
    device: Device, employee: Employee, time: str
) -> None:
    began = utc_now()
    await order(device, employee)
    (command,) = await fetched(device)
    answer = await tell(device, command, "result", status="completed", started_at=time, completed_at=time)
    assert answer.json() == {"recorded": True}
    ended = await state(device, command, employee.headers)
    for name in ("started_at", "completed_at"):
        assert began <= datetime.fromisoformat(ended[name]) <= utc_now()


async def test_a_leap_second_costs_no_result(device: Device, employee: Employee) -> None:
    await order(device, employee)
    (command,) = await fetched(device)
    time = f"{utc_now() - timedelta(days=1):%Y-%m-%d}T23:59:60Z"
    answer = await tell(device, command, "result", status="completed", completed_at=time)
    assert answer.json() == {"recorded": True}
    ended = await state(device, command, employee.headers)
    assert ended["completed_at"] == time.replace(":60Z", ":59.999999Z")
