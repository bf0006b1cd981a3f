"""Remote reads at once: a business with slow reads leaves room for the others."""

import asyncio

from api.routes.fleet import READS, READS_OF_BUSINESS
from api.web_turns import WebTurns


class Readers:
    """Reads that end when they are let go, and those that have begun."""

    def __init__(self) -> None:
        self.turns = WebTurns(READS, READS_OF_BUSINESS)
        self.begun: list[str] = []
        self.go_on = asyncio.Event()

    async def read(self, business: str) -> None:
        async with self.turns.of(business):
            self.begun.append(business)
            await self.go_on.wait()


async def test_slow_reads_of_one_business_do_not_stop_another() -> None:
    readers = Readers()
    async with asyncio.TaskGroup() as group:
        for business in ["slow"] * 10 + ["other"]:
            group.create_task(readers.read(business))
        await asyncio.sleep(0)
        assert sorted(readers.begun) == ["other"] + ["slow"] * READS_OF_BUSINESS
        readers.go_on.set()
    assert len(readers.begun) == 11


async def test_the_reads_of_all_are_bounded_and_each_has_its_turn() -> None:
    readers = Readers()
    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(readers.read(str(number)))
        await asyncio.sleep(0)
        assert len(readers.begun) == READS
        readers.go_on.set()
    assert len(readers.begun) == 10


async def test_a_business_that_reads_no_more_is_forgotten() -> None:
    turns = WebTurns(READS, READS_OF_BUSINESS)
    async with turns.of("gone"):
        assert len(turns._running) == 1
    assert len(turns._running) == 0
