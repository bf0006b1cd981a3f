"""Turns of large uploads: a business that sends much rests while others upload, and only then."""

import asyncio

import pytest

from api.large_turns import MAX_REST_SECONDS, REST, LargeTurns

LONG = 20.0


class Loop:
    """A clock that only work and rests move."""

    def __init__(self, *, others: bool) -> None:
        self.now, self.rests = 0.0, list[float]()
        self.turns = LargeTurns(lambda _: others, lambda: self.now, self.rest)

    async def rest(self, seconds: float) -> None:
        self.rests.append(seconds)
        self.now += seconds

    async def work(self, business: str, seconds: float) -> None:
        async with self.turns.of(business, f"{business} 1", LONG):
            self.now += seconds


async def test_a_business_rests_for_what_its_last_turn_took_while_others_upload() -> None:
    loop = Loop(others=True)
    for _ in range(3):
        await loop.work("a", 0.1)
    await loop.work("b", 0.1)  # it has had no turn yet
    assert loop.rests == pytest.approx([REST * 0.1] * 2)
    loop.turns.owe("b", 60)
    await loop.work("b", 0.1)
    assert loop.rests[2:] == [MAX_REST_SECONDS]


async def test_nobody_rests_where_nobody_else_uploads() -> None:
    loop = Loop(others=False)
    for _ in range(3):
        await loop.work("a", 0.1)
    assert loop.rests == []


async def test_a_rest_holds_up_no_other_business() -> None:
    turns, order = LargeTurns(lambda _: True), list[str]()
    turns.owe("a", 0.2)

    async def work(business: str) -> None:
        async with turns.of(business, business, LONG):
            order.append(business)

    first = asyncio.create_task(work("a"))
    await asyncio.sleep(0)
    await asyncio.gather(first, work("b"))
    assert order == ["b", "a"]


async def test_a_turn_that_does_not_come_is_given_up_and_nothing_is_kept() -> None:
    turns = LargeTurns(lambda _: True)
    async with turns.of("a", "a1", LONG):
        for business in ("a", "b"):
            with pytest.raises(TimeoutError):
                async with turns.of(business, "another", 0.01):
                    pytest.fail("the turn is held")
    async with turns.of("b", "b1", LONG):
        pass
    assert not turns._users
    assert not turns._of_business
