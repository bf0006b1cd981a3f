"""The live channel by everyone: who may not, opens nothing, follows nothing and hears nothing."""

import asyncio
from typing import Any

import asyncpg
import pytest
import socketio.exceptions

from tests.callers import Caller, CallerFactory, Target, agent_of, state_of
from tests.commands import order
from tests.live.conftest import Open, OpenSocketIo
from tests.marked_business import MarkedBusiness, make_marked_business, use_every_call
from tests.people import Tenant, make_employee

# The code of the refusal of a token; the others open a socket.
REFUSALS = {"nobody": "unauthorized", "bad": "invalid_token", "revoked": "token_revoked"}
PEOPLE = ("user", "neighbour", "employee")


@pytest.fixture(scope="module")
async def target(factory: CallerFactory) -> Target:
    return await factory.target()


@pytest.fixture(scope="module")
async def strangers(factory: CallerFactory, target: Target, bob: Tenant) -> list[Caller]:
    return [*await factory.strangers(target, bob), agent_of(target)]


@pytest.fixture(params=["plain", "socket.io"])
def open_any(request: pytest.FixtureRequest, open_socket: Open, open_socket_io: OpenSocketIo) -> Any:
    """Both ways to speak; every test with it must hold for each."""
    return open_socket if request.param == "plain" else open_socket_io


async def test_a_bad_token_opens_no_socket(
    open_socket: Open, open_socket_io: OpenSocketIo, strangers: list[Caller]
) -> None:
    refused = [caller for caller in strangers if caller.kind in REFUSALS]
    assert len(refused) == 8
    for caller in refused:
        socket = await open_socket(caller.token or "")
        assert (await socket.next("error"))["code"] == REFUSALS[caller.kind], caller.name
        assert await socket.closed() == 4401, caller.name
        assert len(socket.received) == 1, caller.name
        with pytest.raises(socketio.exceptions.ConnectionError):
            await open_socket_io(caller.token or "")


async def test_only_people_who_may_see_a_device_follow_it(
    open_any: Any, pool: asyncpg.Pool, target: Target, strangers: list[Caller]
) -> None:
    device = str(target.device.agent_id)
    before = await state_of(pool, target)
    answers: dict[str, Any] = {}
    for caller in strangers:
        if caller.kind not in REFUSALS and caller.token:
            socket = await open_any(caller.token)
            answer = await socket.ask("subscribe", agent_ids=[device])
            assert target.marker not in str(answer)
            answers[caller.name] = answer.get("agent_ids", answer.get("code"))
    assert answers == {
        "a user of another business": [], "a user of the device's business": [device], "an employee": [device],
        "another agent of the business": "unknown_message", "an agent of another business": "unknown_message",
        "the agent itself": "unknown_message",
    }  # fmt: skip
    assert await state_of(pool, target) == before


@pytest.mark.parametrize("name", ["command_started", "command_progress", "command_result"])
async def test_only_its_agent_speaks_of_a_command(
    open_any: Any, pool: asyncpg.Pool, target: Target, strangers: list[Caller], name: str
) -> None:
    before = await state_of(pool, target)
    for caller in strangers:
        if caller.kind in (*PEOPLE, "agent") and caller.token:
            socket = await open_any(caller.token)
            answer = await socket.ask(name, command_id=str(target.begun), status="completed")
            code = "unknown_message" if caller.kind in PEOPLE else "command_not_found"
            assert (answer["type"], answer["code"]) == ("error", code), caller.name
    assert await state_of(pool, target) == before


async def test_a_command_goes_to_its_own_agent_alone(
    open_socket: Open, factory: CallerFactory, strangers: list[Caller]
) -> None:
    target = await factory.target()
    sockets = {
        caller.name: await open_socket(caller.token)
        for caller in strangers
        if caller.token and caller.kind in (*PEOPLE, "agent", "itself")
    }
    own = await open_socket(target.device.token)
    command = await order(target.device, factory.employee)
    assert (await own.next("command"))["command_id"] == command["command_id"]
    received = await asyncio.gather(*(socket.quiet() for socket in sockets.values()))
    assert dict(zip(sockets, received, strict=True)) == {name: [] for name in sockets}


# A business whose marker stands in every text


@pytest.fixture(scope="module")
async def marked(factory: CallerFactory) -> MarkedBusiness:
    return await make_marked_business(factory)


async def test_followers_of_another_tenants_device_receive_nothing(
    open_any: Any, factory: CallerFactory, marked: MarkedBusiness, alice: Tenant, charlie: Tenant
) -> None:
    device, mine = str(marked.device.agent_id), str((await factory.target(alice)).device.agent_id)
    portals = {tenant.name: await open_any(tenant.user_token) for tenant in (alice, charlie, marked.tenant)}
    for name, portal in portals.items():
        answer = await portal.ask("subscribe", agent_ids=[device, mine])
        assert (device in answer["agent_ids"]) == (name == marked.marker)
    await use_every_call(
        marked.device, factory.employee, await make_employee(factory.pool, factory.tokens), marked.marker
    )
    came = await asyncio.gather(*(portal.quiet(1) for portal in portals.values()))
    received = {
        name: [message for message in [*getattr(portal, "received", []), *messages] if message["type"] != "ack"]
        for (name, portal), messages in zip(portals.items(), came, strict=True)
    }
    own = received.pop(marked.marker)
    assert {message["type"] for message in own if marked.marker in str(message)} == {"event", "command_update"}
    assert {message["type"] for message in own if marked.found_in(str(message))} >= {"metrics", "status"}
    assert {name: marked.found_in(str(messages)) for name, messages in received.items()} == {"Alice": [], "Charlie": []}
