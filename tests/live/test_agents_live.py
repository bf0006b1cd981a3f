"""Agents on the live channel: commands come at once, results are taken, a broken line loses nothing."""

import asyncio
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import socketio.exceptions

from api.live.sockets import MAX_BYTES
from auth.tokens import Tokens
from tests.commands import act, fetched, later, order, state, trail
from tests.conftest import MakeDevice
from tests.devices import Device
from tests.live.conftest import Open, OpenSocketIo
from tests.people import Employee


@pytest.fixture(params=["plain", "socket.io"])
def open_any(request: pytest.FixtureRequest, open_socket: Open, open_socket_io: OpenSocketIo) -> Any:
    """Both ways to speak; every test here must hold for each."""
    return open_socket if request.param == "plain" else open_socket_io


async def test_a_command_comes_at_once_and_its_result_is_taken(
    open_any: Any, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    agent = await open_any(device.token)
    ordered = await order(device, employee, params={"n": 1}, timeout_seconds=30)
    command = await agent.next("command")
    command.pop("type", None)
    assert command == {
        "command_id": ordered["command_id"], "command_type": "collect_now", "params": {"n": 1}, "timeout_seconds": 30,
    }  # fmt: skip
    assert await fetched(device) == []
    begun = await agent.ask("command_started", command_id=command["command_id"])
    assert (begun["type"], begun["go_on"]) == ("ack", True)
    await agent.ask("command_progress", command_id=command["command_id"], percent=50)
    assert (await state(device, ordered, employee.headers))["progress_percent"] == 50
    result = {"status": "completed", "exit_code": 0, "stdout": "done", "completed_at": later().isoformat()}
    ended = await agent.ask("command_result", command_id=command["command_id"], **result)
    assert (ended["type"], ended["recorded"]) == ("ack", True)
    stored = await state(device, ordered, employee.headers)
    assert (stored["status"], stored["stdout"]) == ("completed", "done")
    assert await trail(pool, ordered) == ["command_created", "command_sent", "command_started", "command_completed"]


async def test_waiting_commands_arrive_when_the_agent_connects(
    open_any: Any, device: Device, employee: Employee
) -> None:
    command = await order(device, employee)
    agent = await open_any(device.token)
    assert (await agent.next("command"))["command_id"] == command["command_id"]


async def test_a_running_command_is_asked_to_stop(open_any: Any, device: Device, employee: Employee) -> None:
    agent = await open_any(device.token)
    command = await order(device, employee)
    await agent.next("command")
    await agent.ask("command_started", command_id=command["command_id"])
    await act(device, employee, command, "cancel")
    assert (await agent.next("command_cancel"))["command_id"] == command["command_id"]


async def test_commands_that_await_approval_are_not_sent(open_any: Any, device: Device, employee: Employee) -> None:
    agent = await open_any(device.token)
    await order(device, employee, "first", approval_required=True)
    await order(device, employee, "second")
    assert (await agent.next("command"))["command_type"] == "second"


async def test_an_event_is_kept(open_any: Any, device: Device, pool: asyncpg.Pool) -> None:
    agent = await open_any(device.token)
    event = {"event_type": "service_crashed", "timestamp": later().isoformat(), "data": {"service": "nginx"}}
    assert (await agent.ask("event", **event))["type"] == "ack"
    query = "SELECT data FROM agent_events WHERE agent_device_id = $1 AND event_type = 'service_crashed'"
    assert await pool.fetchval(query, device.agent_id) == '{"service": "nginx"}'


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("event", {}, "invalid_request"), ("event", {"event_type": "x", "timestamp": "soon"}, "invalid_request"),
        ("command_result", {"command_id": "x"}, "invalid_request"), ("subscribe", {"agent_ids": []}, "unknown_message"),
        ("command_result", {"command_id": str(uuid4()), "status": "completed"}, "command_not_found"),
        ("nonsense", {}, "unknown_message"), ("take", {}, "unknown_message"),
    ],
)  # fmt: skip
async def test_a_message_that_doesnt_fit_is_answered_with_its_code(
    open_any: Any, device: Device, name: str, data: dict[str, Any], code: str
) -> None:
    agent = await open_any(device.token)
    answer = await agent.ask(name, **data)
    assert (answer["type"], answer["code"]) == ("error", code)
    assert (await agent.ask("ping"))["type"] == "pong"


async def test_anothers_command_cant_be_answered(open_any: Any, make_device: MakeDevice, employee: Employee) -> None:
    first, second = await make_device(), await make_device()
    command = await order(first, employee)
    await fetched(first)
    agent = await open_any(second.token)
    answer = await agent.ask("command_result", command_id=command["command_id"], status="completed")
    assert answer["code"] == "command_not_found"
    assert (await state(first, command, employee.headers))["status"] == "sent"


# A line that breaks


async def test_a_command_whose_line_broke_before_it_began_goes_out_again(
    open_socket: Open, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    agent = await open_socket(device.token)
    ordered = await order(device, employee)
    await agent.next("command")
    await agent.close()
    for _ in range(50):
        commands = await fetched(device)
        if commands:
            break
        await asyncio.sleep(0.1)
    assert [command["command_id"] for command in commands] == [ordered["command_id"]]
    assert await trail(pool, ordered) == ["command_created", "command_sent", "command_requeued", "command_sent"]


async def test_a_command_that_has_begun_isnt_sent_again_when_the_line_breaks(
    open_socket: Open, device: Device, employee: Employee
) -> None:
    agent = await open_socket(device.token)
    command = await order(device, employee)
    await agent.next("command")
    await agent.ask("command_started", command_id=command["command_id"])
    await agent.close()
    await asyncio.sleep(0.5)
    assert await fetched(device) == []
    assert (await state(device, command, employee.headers))["status"] == "executing"


async def test_the_newer_of_two_sockets_of_one_agent_gets_the_command(
    open_socket: Open, device: Device, employee: Employee
) -> None:
    old = await open_socket(device.token)
    await old.ask("ping")
    new = await open_socket(device.token)
    await new.ask("ping")
    await order(device, employee)
    assert (await new.next("command"))["command_type"] == "collect_now"
    assert await old.quiet() == []


# Who may open


async def refused_plain(open_socket: Open, token: str) -> tuple[str, int | None]:
    socket = await open_socket(token)
    message = await socket.next("error")
    return message["code"], await socket.closed()


async def test_a_plain_socket_without_a_good_token_is_refused_with_the_reason(
    open_socket: Open, device: Device, pool: asyncpg.Pool
) -> None:
    assert await refused_plain(open_socket, "") == ("unauthorized", 4401)
    assert await refused_plain(open_socket, "nonsense") == ("invalid_token", 4401)
    await pool.execute("UPDATE agent_devices SET agent_token = NULL WHERE id = $1", device.agent_id)
    assert await refused_plain(open_socket, device.token) == ("token_revoked", 4401)


async def test_a_socket_io_client_without_a_good_token_is_refused(open_socket_io: OpenSocketIo) -> None:
    for token in ("", "nonsense"):
        with pytest.raises(socketio.exceptions.ConnectionError):
            await open_socket_io(token)


async def test_a_revoked_agents_socket_is_closed(
    open_socket: Open, device: Device, employee: Employee, pool: asyncpg.Pool
) -> None:
    agent = await open_socket(device.token)
    await agent.ask("ping")
    await pool.execute("UPDATE agent_devices SET agent_token = NULL WHERE id = $1", device.agent_id)
    await pool.execute("SELECT pg_notify('rts_live', 'devices')")
    assert await agent.closed() == 4401


# Limits


async def test_a_message_beyond_the_size_closes_the_socket(open_socket: Open, device: Device) -> None:
    agent = await open_socket(device.token)
    await agent.say("event", data={"x": "y" * MAX_BYTES})
    assert await agent.closed() == 1009


async def test_too_many_messages_are_refused_and_then_the_socket_is_closed(open_socket: Open, device: Device) -> None:
    agent = await open_socket(device.token)
    for _ in range(700):
        await agent.say("ping")
    assert await agent.closed() == 1008
    codes = [message.get("code") for message in agent.received if message["type"] == "error"]
    assert codes
    assert set(codes) == {"rate_limited"}


@pytest.mark.parametrize("frame", ["", "x", "[]", "1", '"a"', "[" * 5000, b"\xff", '{"type": 1}', '{"type": {}}'])
async def test_a_frame_that_is_no_message_is_answered_and_the_socket_lives(
    open_socket: Open, device: Device, frame: str | bytes
) -> None:
    agent = await open_socket(device.token)
    await agent.connection.send(frame)
    assert (await agent.next("error"))["code"] == "unknown_message"
    assert (await agent.ask("ping"))["type"] == "pong"


async def test_tokens_of_both_kinds_are_told_apart(
    open_socket: Open, device: Device, tokens: Tokens, employee: Employee
) -> None:
    person = await open_socket(employee.token)
    answer = await person.ask("command_result", command_id=str(uuid4()), status="completed")
    assert (answer["code"], answer["details"]) == ("unknown_message", ["ping", "subscribe", "unsubscribe"])
