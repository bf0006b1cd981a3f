"""Turns of the calls that are not uploads: one owner never has all connections of the pool, and owners take turns.

An owner is a business, an employee, or everybody without a token. A call holds its turn until its answer begins.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turn:
    """The turn of one call: it may never begin, and end more than once."""

    __slots__ = ("_owner", "_runs", "_turns")

    def __init__(self, turns: "WebTurns") -> None:
        self._turns = turns
        self._owner: Hashable = None
        self._runs = False

    async def begin(self, owner: Hashable) -> None:
        """Return when the call may run."""
        await self._turns.begin(owner)
        self._owner, self._runs = owner, True

    def end(self) -> None:
        """Let the next call run."""
        if self._runs:
            self._runs = False
            self._turns.end(self._owner)


class WebTurns:
    """At most `most` calls run at once, at most `of_one` of them for one owner; the others wait."""

    def __init__(self, most: int, of_one: int | None = None) -> None:
        """`of_one` is three quarters of `most` unless given."""
        self._most = most
        self._of_one = of_one or max(1, most * 3 // 4)
        self._running: dict[Hashable, int] = {}
        self._waiting: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()
        self._count = 0

    @asynccontextmanager
    async def of(self, owner: Hashable) -> AsyncIterator[None]:
        """Hold the turn of a call of this owner."""
        await self.begin(owner)
        try:
            yield
        finally:
            self.end(owner)

    async def begin(self, owner: Hashable) -> None:
        """Return when it is the turn of a call of this owner; `end` must follow."""
        if self._may_run(owner):
            self._start(owner)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.end(owner)  # the turn came in the same moment
            raise

    def end(self, owner: Hashable) -> None:
        """Count a call as ended, and start those that may run now."""
        self._count -= 1
        self._running[owner] -= 1
        if not self._running[owner]:
            del self._running[owner]
        while self._start_next():
            pass

    def _may_run(self, owner: Hashable) -> bool:
        return self._count < self._most and self._running.get(owner, 0) < self._of_one

    def _start(self, owner: Hashable) -> None:
        self._count += 1
        self._running[owner] = self._running.get(owner, 0) + 1

    def _start_next(self) -> bool:
        """Start the first call of the owner whose turn it is; return whether there was one."""
        owners = [owner for owner in self._waiting if self._may_run(owner)]
        if not owners:
            return False
        owner = owners[0]
        calls = self._waiting.pop(owner)
        turn = calls.popleft()
        if calls:
            self._waiting[owner] = calls  # behind the others
        if not turn.done():  # one that has waited too long is gone
            self._start(owner)
            turn.set_result(None)
        return True
