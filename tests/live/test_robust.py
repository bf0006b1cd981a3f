"""What could wear the live channel down: many devices, sockets that close in the wrong moment, frames made to hurt."""

import asyncio
from datetime import timedelta

import asyncpg
import jwt
import pytest
from websockets.asyncio.client import connect

from api.app import Application
from api.live.clients import POLICY, SLOW
from api.live.hub import MAX_SOCKETS_OF
from api.live.service import Live
from auth.errors import InvalidTokenError
from auth.keys import KeyFile
from auth.tokens import Tokens
from core.clock import utc_now
from core.errors import RtsError
from tests.commands import fetched, order, state, tell
from tests.devices import Device
from tests.live.conftest import Open
from tests.people import Employee, Tenant, make_tenant


async def test_a_portal_may_follow_a_thousand_devices(open_socket: Open, pool: asyncpg.Pool, tokens: Tokens) -> None:
    tenant = await make_tenant(pool, tokens, "Large")
    rows = await pool.fetch(
        "INSERT INTO agent_devices (business_id, device_name, current_collected_at, current_metrics) "
        "SELECT $1, 'device-' || n, now(), '{}' FROM generate_series(1, 1000) n RETURNING id",
        tenant.business_id,
    )
    portal = await open_socket(tenant.user_token)
    answer = await portal.ask("subscribe", agent_ids=[str(row["id"]) for row in rows])
    assert len(answer["agent_ids"]) == 1000
    await pool.execute("UPDATE agent_devices SET status = 'error' WHERE business_id = $1", tenant.business_id)
    await pool.execute("SELECT pg_notify('rts_live', 'devices')")
    received: set[str] = set()
    async with asyncio.timeout(20):
        while len(received) < 1000:
            message = await portal.until(lambda message: message.get("status") == "error")
            received.add(message["agent_id"])
    # Other tests read a page of the list of all devices. To delete these takes seconds.
    await pool.execute("UPDATE agent_devices SET soft_delete = true WHERE business_id = $1", tenant.business_id)


async def test_commands_leased_to_a_closing_socket_are_delivered_again(
    open_socket: Open, application: Application, device: Device, employee: Employee
) -> None:
    live: Live = application.web.state.live
    agent = await open_socket(device.token)
    await agent.ask("ping")
    (client,) = live.hub.sockets_of(device.agent_id)
    for _ in range(600):  # what it doesn't read fills its queue: it is dropped while a command is on its way
        client.offer("event", {})
    ordered = await order(device, employee)
    assert await agent.closed() == SLOW
    commands = await fetched(device)
    for _ in range(50):
        commands = commands or await fetched(device)
        await asyncio.sleep(0.05)
    assert [command["command_id"] for command in commands] == [ordered["command_id"]]


async def test_only_the_newest_sockets_of_one_agent_stay_open(open_socket: Open, device: Device) -> None:
    sockets = []
    for _ in range(MAX_SOCKETS_OF[True] + 1):
        sockets.append(await open_socket(device.token))
        await sockets[-1].ask("ping")
    assert await sockets[0].closed() == POLICY
    assert (await sockets[-1].ask("ping"))["type"] == "pong"


async def test_a_binary_event_ends_a_socket_io_connection(live_port: int, device: Device) -> None:
    url = f"ws://127.0.0.1:{live_port}/agent-ws/?EIO=4&transport=websocket&token={device.token}"
    async with connect(url) as connection:
        await connection.recv()
        await connection.send("40")
        assert str(await connection.recv()).startswith("40")
        await connection.send('45999999999-["x",{"_placeholder":true,"num":0}]')
        await connection.send(b"x" * 1000)
        async with asyncio.timeout(5):
            await connection.wait_closed()


@pytest.mark.parametrize("first", ["timeout", "cancelled", "failed", "completed"])
async def test_the_first_result_counts_whatever_it_is(device: Device, employee: Employee, first: str) -> None:
    ordered = await order(device, employee)
    (command,) = await fetched(device)
    assert (await tell(device, command, "result", status=first, stdout="first")).json() == {"recorded": True}
    assert (await tell(device, command, "result", status="completed")).json() == {"recorded": False}
    ended = await state(device, ordered, employee.headers)
    assert (ended["status"], ended["stdout"]) == (first, "first")


@pytest.mark.parametrize("token", ["\ud800", "é.é.é", "a.b.c"])
def test_a_token_of_odd_characters_is_no_token(tokens: Tokens, token: str) -> None:
    for verify in (tokens.verify_agent, tokens.verify_person):
        with pytest.raises(RtsError):
            verify(token)


@pytest.mark.parametrize("expiry", [1e18, "soon"])
def test_an_expiry_that_is_no_time_is_no_token(
    tokens: Tokens, key_file: KeyFile, expiry: object, alice: Tenant
) -> None:
    ring = tokens._keys.ring("platform")
    claims = {"sub": "x", "business_id": str(alice.business_id), "iat": utc_now() - timedelta(minutes=1), "exp": expiry}
    token = jwt.encode(claims, ring.keys[ring.current], "HS256", headers={"kid": ring.current})
    with pytest.raises(InvalidTokenError):
        tokens.verify_person(token)
