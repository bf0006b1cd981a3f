"""Portals on the live channel: they follow the devices that they may see, and hear of each committed flush once."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from websockets.asyncio.client import connect

from api.app import Application
from api.live import sockets
from api.live.clients import QUEUED_MESSAGES, SLOW, LiveClient
from api.live.hub import MAX_SUBSCRIPTIONS
from api.live.service import Live
from auth.tokens import Tokens
from core.clock import utc_now
from tests.commands import act, fetched, later, order, tell
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.live.conftest import Open, OpenSocketIo
from tests.live.sockets import Message, Socket
from tests.people import Employee, Tenant, make_tenant

MARKER = "marked-8c21f"
SECOND = timedelta(seconds=1)


@pytest.fixture(params=["plain", "socket.io"])
def open_any(request: pytest.FixtureRequest, open_socket: Open, open_socket_io: OpenSocketIo) -> Any:
    """Both ways to speak; every test with it must hold for each."""
    return open_socket if request.param == "plain" else open_socket_io


async def follow(portal: Any, *devices: Device) -> Message:
    answer: Message = await portal.ask("subscribe", agent_ids=[str(device.agent_id) for device in devices])
    assert answer["type"] == "ack", answer
    return answer


async def test_a_portal_hears_of_samples_states_commands_and_events(
    open_any: Any, device: Device, employee: Employee
) -> None:
    portal = await open_any(device.tenant.user_token)
    assert (await follow(portal, device))["agent_ids"] == [str(device.agent_id)]
    assert (await portal.next("status"))["status"] == "offline"
    await device.accepted(sample(cpu_percent=12.5))
    while (await portal.next("status"))["status"] != "online":
        pass  # the state from before may come twice: with the answer and as a change
    assert (await portal.next("metrics"))["metrics"]["cpu_percent"] == 12.5
    ordered = await order(device, employee)
    update = await portal.next("command_update")
    assert (update["command_id"], update["status"]) == (ordered["command_id"], "pending")
    (command,) = await fetched(device)
    await tell(device, command, "progress", percent=30, message="on its way")
    while update["progress_percent"] is None:
        update = await portal.next("command_update")
    assert (update["status"], update["progress_percent"], update["progress_message"]) == ("executing", 30, "on its way")
    await tell(device, command, "result", status="completed", exit_code=0, stdout="secret")
    while update["status"] != "completed":
        update = await portal.next("command_update")
    assert "stdout" not in update
    url = f"/api/agents/{device.agent_id}/events"
    event = {"event_type": "service_crashed", "timestamp": later().isoformat(), "data": {"service": "nginx"}}
    assert (await device.client.post(url, json=event, headers=device.headers)).status_code == 201
    received = await portal.next("event")
    while received["event_type"] != "service_crashed":
        received = await portal.next("event")
    assert received["data"] == {"service": "nginx"}


async def test_an_upload_of_many_samples_is_one_message(open_socket: Open, device: Device) -> None:
    portal = await open_socket(device.tenant.user_token)
    await follow(portal, device)
    await device.accepted(*(sample(age * SECOND, cpu_percent=age) for age in range(1, 51)))
    metrics = [message for message in await portal.quiet(1) if message["type"] == "metrics"]
    assert [message["metrics"]["cpu_percent"] for message in metrics] == [1]


async def test_late_samples_are_no_news(open_socket: Open, device: Device) -> None:
    await device.accepted(sample(cpu_percent=1))
    portal = await open_socket(device.tenant.user_token)
    await follow(portal, device)
    await device.accepted(sample(timedelta(days=2), cpu_percent=99))
    assert [message for message in await portal.quiet(1) if message["type"] == "metrics"] == []


async def test_a_new_follower_receives_the_current_state(open_socket: Open, device: Device, employee: Employee) -> None:
    await device.accepted(sample(cpu_percent=7))
    portal = await open_socket(employee.token)
    await follow(portal, device)
    kinds = [message["type"] for message in portal.received]
    assert kinds == ["status", "metrics", "ack"]
    assert await portal.quiet() == []


async def test_a_former_follower_receives_nothing(open_socket: Open, device: Device) -> None:
    portal = await open_socket(device.tenant.user_token)
    await follow(portal, device)
    await portal.ask("unsubscribe", agent_ids=[str(device.agent_id)])
    await device.accepted(sample(cpu_percent=1))
    assert await portal.quiet() == []


# Tenants


async def test_another_businesss_device_is_not_found_and_never_heard_of(
    open_any: Any, make_device: MakeDevice, pool: asyncpg.Pool, tokens: Tokens, charlie: Tenant, employee: Employee
) -> None:
    marked = await make_tenant(pool, tokens, MARKER)
    device = await make_device(marked, name=MARKER)
    portal = await open_any(charlie.user_token)
    unknown = str(uuid4())
    answer = await portal.ask("subscribe", agent_ids=[str(device.agent_id), unknown])
    assert (answer["agent_ids"], answer["not_found"]) == ([], [str(device.agent_id), unknown])
    await device.accepted(sample(cpu_percent=1))
    await order(device, employee)
    assert (await portal.ask("ping"))["type"] == "pong"


async def test_a_portal_receives_only_its_own_devices(
    open_socket: Open, make_device: MakeDevice, alice: Tenant, bob: Tenant, charlie: Tenant, employee: Employee
) -> None:
    devices = {"Alice": await make_device(alice), "Bob": await make_device(bob)}
    portals = {tenant.name: await open_socket(tenant.user_token) for tenant in (alice, bob, charlie)}
    for portal in portals.values():
        await portal.ask("subscribe", agent_ids=[str(device.agent_id) for device in devices.values()])
        portal.received.clear()
    for device in devices.values():
        await device.accepted(sample(cpu_percent=5))
        await order(device, employee)
    received = {name: {message["agent_id"] for message in await portal.quiet(1)} for name, portal in portals.items()}
    assert received == {
        "Alice": {str(devices["Alice"].agent_id)}, "Bob": {str(devices["Bob"].agent_id)}, "Charlie": set(),
    }  # fmt: skip


async def test_a_device_that_changes_hands_is_no_longer_told_to_its_former_business(
    open_socket: Open, device: Device, pool: asyncpg.Pool, bob: Tenant
) -> None:
    portal = await open_socket(device.tenant.user_token)
    await follow(portal, device)
    await pool.execute(
        "UPDATE agent_devices SET business_id = $2, service_location_id = NULL WHERE id = $1",
        device.agent_id, bob.business_id,
    )  # fmt: skip
    await device.accepted(sample(cpu_percent=1))
    assert await portal.quiet(1) == []


async def test_an_agent_follows_nobody_and_a_person_answers_no_command(
    open_socket: Open, device: Device, employee: Employee
) -> None:
    agent = await open_socket(device.token)
    assert (await agent.ask("subscribe", agent_ids=[str(device.agent_id)]))["code"] == "unknown_message"
    command = await order(device, employee)
    await agent.next("command")
    portal = await open_socket(device.tenant.user_token)
    answer = await portal.ask("command_result", command_id=command["command_id"], status="completed")
    assert answer["code"] == "unknown_message"


# Limits and the end


async def test_a_client_follows_only_so_many_devices(open_socket: Open, device: Device) -> None:
    portal = await open_socket(device.tenant.user_token)
    many = [str(uuid4()) for _ in range(MAX_SUBSCRIPTIONS + 1)]
    assert (await portal.ask("subscribe", agent_ids=many))["code"] == "invalid_request"
    await follow(portal, device)
    assert (await portal.ask("subscribe", agent_ids=many[1:]))["code"] == "too_many_subscriptions"


async def test_a_socket_ends_with_its_persons_token(open_socket: Open, alice: Tenant, tokens: Tokens) -> None:
    claims = {"sub": "somebody", "business_id": str(alice.business_id), "role": "user"}
    portal = await open_socket(tokens.issue_person(claims, utc_now(), 2 * SECOND))
    assert (await portal.ask("ping"))["type"] == "pong"
    assert await portal.closed() == 4401


async def test_an_expired_token_opens_nothing(open_socket: Open, alice: Tenant, tokens: Tokens) -> None:
    claims = {"sub": "somebody", "business_id": str(alice.business_id), "role": "user"}
    portal = await open_socket(tokens.issue_person(claims, utc_now() - timedelta(hours=1), timedelta(minutes=1)))
    assert await portal.closed() == 4401


class NeverTaken:
    """A transport whose client doesn't read."""

    def __init__(self) -> None:
        self.closed_with: int | None = None

    async def send(self, name: str, data: Message) -> None:
        await asyncio.sleep(3600)

    async def close(self, code: int, reason: str) -> None:
        self.closed_with = code


async def test_a_client_whose_queue_is_full_is_dropped_and_nobody_waits(
    application: Application, alice: Tenant, tokens: Tokens
) -> None:
    transport = NeverTaken()
    client = LiveClient(tokens.verify_person(alice.user_token), transport)
    client.start()
    offered = [client.offer("metrics", {}) for _ in range(QUEUED_MESSAGES + 10)]
    await client.closed(1)
    assert transport.closed_with == SLOW
    assert offered[0]
    assert not offered[-1]
    await client.stop()


async def test_a_client_that_doesnt_read_loses_its_socket(
    live_port: int, application: Application, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "SEND_SECONDS", 0.5)
    live: Live = application.web.state.live
    async with connect(
        f"ws://127.0.0.1:{live_port}/ws?token={device.tenant.user_token}",
        max_queue=1,
        compression=None,
        close_timeout=0.2,
    ) as connection:
        portal = Socket(connection)
        await follow(portal, device)
        connection.transport.pause_reading()
        fill = {"padding": "x" * 100_000}
        async with asyncio.timeout(20):
            while device.agent_id in live.hub.followed():
                live.hub.send_to_followers(device.agent_id, device.tenant.business_id, "metrics", fill)
                await asyncio.sleep(0.01)


async def test_a_socket_io_connection_that_doesnt_say_who_it_is_is_closed(
    live_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "HANDSHAKE_SECONDS", 0.5)
    url = f"ws://127.0.0.1:{live_port}/agent-ws/?EIO=4&transport=websocket"
    async with connect(url) as connection:
        assert str(await connection.recv()).startswith("0{")
        async with asyncio.timeout(5):
            await connection.wait_closed()


async def test_socket_io_over_long_polling_is_refused(live_port: int, device: Device) -> None:
    async with httpx.AsyncClient() as client:
        headers = {"Origin": "https://evil.example"}
        url = f"http://127.0.0.1:{live_port}/agent-ws/?EIO=4&transport=polling"
        answer = await client.get(url, headers=headers)
    assert not {name for name in answer.headers if name.startswith("access-control")}
    opened, refused = answer.text.split("\x1e")
    assert (answer.status_code, opened[:1], refused[:2]) == (200, "0", "44")
    assert "connect with transports: ['websocket']" in json.loads(refused[2:])["message"]


async def test_a_wake_that_is_lost_costs_only_time(
    open_socket: Open, device: Device, pool: asyncpg.Pool, application: Application, employee: Employee
) -> None:
    portal = await open_socket(device.tenant.user_token)
    await follow(portal, device)
    live: Live = application.web.state.live
    query = "UPDATE agent_devices SET status = 'error', status_changed_at = now() WHERE id = $1"
    await pool.execute(query, device.agent_id)  # as if NOTIFY had been lost
    live.listener.wake()  # what the loop does by itself after a while
    assert (await portal.until(lambda message: message.get("status") == "error"))["agent_id"] == str(device.agent_id)


async def test_the_listening_connection_is_made_again(
    open_socket: Open, device: Device, pool: asyncpg.Pool, application: Application, employee: Employee
) -> None:
    live: Live = application.web.state.live
    portal = await open_socket(device.tenant.user_token)
    await follow(portal, device)
    assert live.listener.connection
    live.listener.connection.terminate()
    await device.accepted(sample(cpu_percent=3))
    assert (await portal.next("metrics"))["metrics"]["cpu_percent"] == 3
    command = await order(device, employee)
    assert (await portal.next("command_update"))["command_id"] == command["command_id"]
    await act(device, employee, command, "cancel")
