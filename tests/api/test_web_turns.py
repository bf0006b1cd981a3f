"""Calls take turns: a caller of many calls leaves connections to the others, and only its own calls wait."""

import asyncio
import threading
from collections.abc import Hashable

import pytest

from api.server import compression
from api.server.compression import pack
from api.web_turns import Turn, WebTurns
from core.settings import Settings
from tests.calls import beat, error_of
from tests.conftest import MakeDevice
from tests.people import Employee, Tenant
from tests.serving import started
from tests.waiting import PATIENCE_SECONDS


async def begun_turn(turns: WebTurns, owner: Hashable) -> Turn:
    turn = Turn(turns)
    await turn.begin(owner)
    return turn


async def begun(turns: WebTurns, *owners: Hashable) -> list[asyncio.Task[Turn]]:
    """Let calls of these owners begin or wait; return them when each has had the chance."""
    calls = [asyncio.create_task(begun_turn(turns, owner)) for owner in owners]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return calls


def running(calls: list[asyncio.Task[Turn]]) -> list[int]:
    return [number for number, call in enumerate(calls) if call.done()]


async def test_one_owner_leaves_a_quarter_to_the_others() -> None:
    turns = WebTurns(4)
    calls = await begun(turns, *"aaaaab")
    assert running(calls) == [0, 1, 2, 5]


async def test_owners_take_turns() -> None:
    turns = WebTurns(2)
    calls = await begun(turns, *"abaaacb")
    assert running(calls) == [0, 1]
    order = []
    for first in (0, 1, 2, 5, 6, 3):
        before = running(calls)
        calls[first].result().end()
        await asyncio.sleep(0)
        order += [number for number in running(calls) if number not in before]
    assert order == [2, 5, 6, 3, 4]


async def test_callers_without_a_token_take_turns_too() -> None:
    turns = WebTurns(1)
    calls = await begun(turns, None, None, None)
    for number in range(3):
        calls[number].result().end()
        await asyncio.sleep(0)
    assert turns._count == 0


async def test_a_second_end_changes_nothing() -> None:
    turns = WebTurns(1)
    calls = await begun(turns, *"abc")
    first = calls[0].result()
    first.end()
    first.end()
    await asyncio.sleep(0)
    assert running(calls) == [0, 1]


@pytest.mark.parametrize("at_its_turn", [False, True])
async def test_a_call_that_is_given_up_leaves_its_turn_to_the_next(*, at_its_turn: bool) -> None:
    turns = WebTurns(1)
    calls = await begun(turns, *"abc")
    if at_its_turn:
        calls[0].result().end()
    calls[1].cancel()
    await asyncio.sleep(0)
    if not at_its_turn:
        calls[0].result().end()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert calls[1].cancelled()
    assert calls[2].done()


async def test_a_business_that_uses_up_its_turns_stops_only_itself(
    settings: Settings, make_device: MakeDevice, alice: Tenant, bob: Tenant, employee: Employee
) -> None:
    async with started(settings, pool_size=4) as (client, application):
        turns = application.web.state.services.web_turns
        held = [await begun_turn(turns, alice.business_id) for _ in range(3)]
        waiting = asyncio.create_task(client.get("/api/agents", headers=alice.headers))
        device = await make_device(bob)
        device.client = client
        for who in (bob, employee):
            assert (await client.get("/api/agents", headers=who.headers)).status_code == 200
        assert (await beat(device)).status_code == 200
        assert (await client.post("/api/agents/register", json={"token": "AGT-unknown"})).status_code == 401
        assert not waiting.done()
        held[0].end()
        assert (await waiting).status_code == 200


async def test_a_call_whose_turn_does_not_come_is_told_to_come_again(settings: Settings, alice: Tenant) -> None:
    async with started(settings, pool_size=4, query_timeout_seconds=0.3) as (client, application):
        turns = application.web.state.services.web_turns
        held = [await begun_turn(turns, alice.business_id) for _ in range(3)]
        refused = await client.get("/api/agents", headers=alice.headers)
        assert refused.status_code == 503
        assert "retry-after" in refused.headers
        assert (await client.get("/api/health/live")).status_code == 200
        for turn in held:
            turn.end()
        assert turns._count == 0


async def test_a_call_that_ends_while_its_answer_is_compressed_is_told_to_come_again(
    settings: Settings, alice: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_begun, is_refused = threading.Event(), threading.Event()

    def slow(body: bytes, *, gzip: bool) -> tuple[bytes, bytes]:
        has_begun.set()
        is_refused.wait(PATIENCE_SECONDS)
        return pack(body, gzip=gzip)

    monkeypatch.setattr(compression, "MIN_BYTES", 0)  # an answer of any size is compressed, in a thread
    monkeypatch.setattr(compression, "INLINE_BYTES", 0)
    monkeypatch.setattr(compression, "pack", slow)
    async with started(settings, query_timeout_seconds=3) as (client, _):
        refused = await client.get("/api/agents/metrics/catalog", headers=alice.headers)
        is_refused.set()
        assert has_begun.is_set()
        assert (refused.status_code, error_of(refused)[1]) == (503, "database_unavailable")
        assert "retry-after" in refused.headers
