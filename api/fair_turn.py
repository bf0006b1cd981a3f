"""A lock for one upload at a time; tenants and their devices take turns, so a sender of many uploads waits longest."""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager

from ingest.turns import WriteTurns


class FairTurn:
    """The lock; free at first."""

    def __init__(self) -> None:
        self._is_held = False
        self._waiting: WriteTurns[asyncio.Future[None]] = WriteTurns()

    @asynccontextmanager
    async def of(self, tenant: Hashable, device: Hashable) -> AsyncIterator[None]:
        """Hold the lock."""
        await self._acquire(tenant, device)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, tenant: Hashable, device: Hashable) -> None:
        if not self._is_held:
            self._is_held = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.push(tenant, device, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # the turn came in the same moment
            raise

    def _release(self) -> None:
        while self._waiting:
            turn = self._waiting.pop()
            if not turn.done():  # one that has waited too long is gone
                turn.set_result(None)
                return
        self._is_held = False
