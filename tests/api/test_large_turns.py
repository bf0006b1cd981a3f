"""Turns of large uploads: a business that sends much rests while others upload, and only then."""

import asyncio

import pytest

from api.large_turns import MAX_REST_SECONDS, REST, LargeTurns
from ingest.errors import IngestBusyError

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


async def test_a_business_alone_does_not_pause_between_its_uploads() -> None:
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
            with pytest.raises(IngestBusyError):
                async with turns.of(business, "another", 0.01):
                    pytest.fail("the turn is held")
    async with turns.of("b", "b1", LONG):
        pass
    assert not turns._users
    assert not turns._of_business


async def test_a_fault_of_an_upload_is_no_turn_that_did_not_come() -> None:
    turns = LargeTurns(lambda _: True)
    with pytest.raises(TimeoutError):
        async with turns.of("a", "a1", LONG):
            raise TimeoutError
    async with turns.of("b", "b1", LONG):
        pass


class SlowWriter:
    """A writer that has room for one upload at a time, and the clock."""

    def __init__(self) -> None:
        self.now, self.room, self.order = 0.0, asyncio.Semaphore(0), list[str]()
        self.turns = LargeTurns(lambda _: True, lambda: self.now, self.rest, self.wait_for_room)

    async def rest(self, seconds: float) -> None:
        self.order.append(f"rest {seconds:g}")

    async def wait_for_room(self) -> None:
        await self.room.acquire()

    async def work(self, business: str, max_seconds: float = LONG) -> None:
        async with self.turns.of(business, business, max_seconds):
            self.order.append(business)


async def test_an_upload_is_decoded_when_the_writer_has_room_and_its_business_does_not_rest_for_that() -> None:
    writer = SlowWriter()
    waiting = [asyncio.create_task(writer.work(business)) for business in "ab"]
    for _ in range(5):
        await asyncio.sleep(0)
    assert writer.order == []
    writer.now += 10
    writer.room.release()
    await waiting[0]
    assert writer.order == ["a"]
    writer.room.release()
    await waiting[1]
    writer.room.release()
    await writer.work("a")
    assert writer.order == ["a", "b", "a"]


async def test_an_upload_whose_turn_would_come_too_late_is_refused_at_once_with_its_time() -> None:
    writer = SlowWriter()
    for _ in range(200):  # turns take a second each, of which the average consists soon
        first = asyncio.create_task(writer.work("a"))
        await asyncio.sleep(0)
        writer.now += 1
        writer.room.release()
        await first
    waiting = [asyncio.create_task(writer.work(f"business {number}")) for number in range(20)]
    await asyncio.sleep(0)
    refusals = []
    for _ in range(5):
        with pytest.raises(IngestBusyError) as refused:
            await writer.work("late", 10)
        refusals.append(int(refused.value.headers(1)["Retry-After"]))
    assert refusals == pytest.approx([11, 11, 12, 12, 13], abs=1)  # half of what is expected, one after the other
    assert sorted(refusals) == refusals
    assert len(set(refusals)) > 1
    for _ in waiting:
        writer.room.release()
    await asyncio.gather(*waiting)
    assert not writer.turns._users


async def test_businesses_take_turns_and_so_one_with_few_uploads_is_not_refused_for_those_of_another() -> None:
    writer = SlowWriter()
    for _ in range(200):
        first = asyncio.create_task(writer.work("a"))
        await asyncio.sleep(0)
        writer.now += 1
        writer.room.release()
        await first
    waiting = [asyncio.create_task(writer.work("hog")) for _ in range(9)]
    await asyncio.sleep(0)
    with pytest.raises(IngestBusyError):
        await writer.work("hog", 5)
    other = asyncio.create_task(writer.work("other", 5))
    await asyncio.sleep(0)
    for _ in range(10):
        writer.room.release()
    await asyncio.gather(other, *waiting)
    assert writer.order[200:].index("other") <= 2
