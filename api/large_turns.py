"""Turns of large uploads: one is decoded at a time, and a business that sends much rests while others upload.

An upload waits packed, as it was sent, until its turn comes and the writer has room for it. An upload that would wait
longer than agents do is refused at once, with the time at which its turn is expected (api/turn_forecast.py).

Decoding holds the event loop and the interpreter's lock, so small uploads wait meanwhile. After each turn a business
rests REST times as long as the turn took, while small uploads of others arrive: so a single business uses at most a
quarter of this process. If all send large uploads, as after an outage, no business rests.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager

from api.fair_turn import FairTurn
from api.turn_forecast import TurnForecast
from ingest.errors import IngestBusyError

REST = 3.0
MAX_REST_SECONDS = 3.0  # after one turn; a longer rest is cut


async def no_wait() -> None:
    """Return at once: there is always room."""


class LargeTurns:
    """The turns of this process: of the devices of a business among themselves, and of businesses."""

    def __init__(
        self,
        others_upload: Callable[[Hashable], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        wait_for_room: Callable[[], Awaitable[None]] = no_wait,
    ) -> None:
        """`others_upload` returns whether another business has sent a small upload recently.

        `wait_for_room` returns when the writer has room for a large upload.
        """
        self.others_upload, self._clock, self._sleep, self._wait_for_room = others_upload, clock, sleep, wait_for_room
        self._forecast = TurnForecast(clock)
        self._all = FairTurn()
        self._of_business: defaultdict[Hashable, FairTurn] = defaultdict(FairTurn)
        self._users: Counter[Hashable] = Counter()  # uploads by business that wait or have their turn
        self._owed: dict[Hashable, float] = {}  # seconds

    @asynccontextmanager
    async def of(self, business: Hashable, device: Hashable, max_seconds: float) -> AsyncIterator[None]:
        """Hold the turn, once the writer has room.

        Raises IngestBusyError when the turn does not come, or is not expected, within `max_seconds`.
        """
        before = self._turns_before(business)
        if self._forecast.wait(before) > max_seconds:
            raise self._busy(before, max_seconds)
        self._users[business] += 1
        try:
            async with asyncio.timeout(max_seconds) as limit, self._of_business[business].of(device, device):
                await self._rest(business)
                async with self._all.of(business, device):
                    began = self._clock()
                    await self._wait_for_room()
                    limit.reschedule(None)
                    with self._measured(business, began):
                        yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise self._busy(before, max_seconds) from None
        finally:
            self._leave(business)

    def owe(self, business: Hashable, seconds: float) -> None:
        """Add the time that an upload of a business used of this process or the database to its rest."""
        if self.others_upload(business):
            self._owed[business] = min(MAX_REST_SECONDS, self._owed.get(business, 0.0) + REST * seconds)
        else:
            self._owed.pop(business, None)

    @contextmanager
    def _measured(self, business: Hashable, began: float) -> Iterator[None]:
        """Count the time of a turn, and what its business owes; waiting for room is not owed."""
        had_room = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            self._forecast.note(now - began)
            self.owe(business, now - had_room)

    def _turns_before(self, business: Hashable) -> int:
        """Return how many turns come before that of one more upload: businesses take turns."""
        place = self._users.get(business, 0) + 1
        return sum(min(count, place) for count in self._users.values())

    def _busy(self, before: int, max_seconds: float) -> IngestBusyError:
        return IngestBusyError(wait_seconds=self._forecast.book(before, max_seconds / 2))

    async def _rest(self, business: Hashable) -> None:
        owed = self._owed.pop(business, 0.0)
        if owed and self.others_upload(business):
            await self._sleep(owed)

    def _leave(self, business: Hashable) -> None:
        self._users[business] -= 1
        if not self._users[business]:
            del self._users[business], self._of_business[business]
