"""Turns of large uploads: by tenant and device, and none is lost with a waiter that is gone."""

import asyncio

import pytest

from api.fair_turn import FairTurn


async def hold(turn: FairTurn, tenant: str, device: str, order: list[str]) -> None:
    async with turn.of(tenant, device):
        order.append(device)
        await asyncio.sleep(0)


async def test_heavy_senders_come_after_light_senders() -> None:
    turn, order = FairTurn(), list[str]()
    async with turn.of("z", "z1"):
        whose = [("a", "a1")] * 4 + [("a", "a2"), ("b", "b1")]
        waiting = [asyncio.create_task(hold(turn, *who, order)) for who in whose]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["a1", "b1", "a2", "a1", "a1", "a1"]


async def test_a_cancelled_waiter_does_not_delay_the_next_upload() -> None:
    turn, order = FairTurn(), list[str]()
    async with turn.of("a", "a1"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await hold(turn, "b", "b1", order)
        waiting = asyncio.create_task(hold(turn, "c", "c1", order))
        await asyncio.sleep(0)
    await waiting
    assert order == ["c1"]
    await hold(turn, "d", "d1", order)


async def test_a_cancelled_waiter_gives_its_turn_on() -> None:
    turn, order = FairTurn(), list[str]()
    async with turn.of("a", "a1"):
        first, second = (asyncio.create_task(hold(turn, "b", device, order)) for device in ("b1", "b2"))
        await asyncio.sleep(0)
    first.cancel()  # in the same round in which its turn has come
    await asyncio.gather(first, second, return_exceptions=True)
    assert order == ["b2"]
    await hold(turn, "d", "d1", order)
