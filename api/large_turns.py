"""Turns of large uploads: one is decoded at a time, and a business that sends much rests while others upload.

Decoding holds the event loop and the interpreter's lock, so small uploads wait meanwhile. After each turn a business
rests REST times as long as the turn took, while small uploads of others arrive: so a single business uses at most a
quarter of this process. If all send large uploads, as after an outage, no business rests.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager

from api.fair_turn import FairTurn

REST = 3.0
MAX_REST_SECONDS = 3.0  # after one turn; a longer rest is cut


class LargeTurns:
    """The turns of this process: of the devices of a business among themselves, and of businesses."""

    def __init__(
        self,
        others_upload: Callable[[Hashable], bool],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """`others_upload` returns whether another business has sent a small upload recently."""
        self.others_upload, self._clock, self._sleep = others_upload, clock, sleep
        self._all = FairTurn()
        self._of_business: defaultdict[Hashable, FairTurn] = defaultdict(FairTurn)
        self._users: Counter[Hashable] = Counter()
        self._owed: dict[Hashable, float] = {}  # seconds

    @asynccontextmanager
    async def of(self, business: Hashable, device: Hashable, most_seconds: float) -> AsyncIterator[None]:
        """Hold the turn; raises TimeoutError if it does not come within about `most_seconds`."""
        self._users[business] += 1
        try:
            async with self._of_business[business].of(device, device, most_seconds):
                await self._rest(business)
                async with self._all.of(business, device, most_seconds):
                    began = self._clock()
                    try:
                        yield
                    finally:
                        self.owe(business, self._clock() - began)
        finally:
            self._leave(business)

    def owe(self, business: Hashable, seconds: float) -> None:
        """Add the time that an upload of a business used of this process or the database to its rest."""
        if self.others_upload(business):
            self._owed[business] = min(MAX_REST_SECONDS, self._owed.get(business, 0.0) + REST * seconds)
        else:
            self._owed.pop(business, None)

    async def _rest(self, business: Hashable) -> None:
        owed = self._owed.pop(business, 0.0)
        if owed and self.others_upload(business):
            await self._sleep(owed)

    def _leave(self, business: Hashable) -> None:
        self._users[business] -= 1
        if not self._users[business]:
            del self._users[business], self._of_business[business]
