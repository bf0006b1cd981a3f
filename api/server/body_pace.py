"""Time limits of a request body: a first moment, the longest pause, a minimum rate, and the whole time.

If a body does not arrive within the first moment, the server checks its sender in the database once, so that a revoked
token cannot hold a connection. Nearly all bodies arrive at once and cost no query.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.server.asgi import Message, Receive
from api.server.body_errors import BodyTooSlowError

AT_ONCE_SECONDS = 1.0

SlowBody = Callable[[], Awaitable[None]]  # called once for a body that does not arrive at once; may raise RtsError


@dataclass(frozen=True, slots=True)
class PaceRule:
    """The bounds, in seconds and bytes (as they come over the line) a second."""

    whole_seconds: float
    pause_seconds: float
    bytes_per_second: int


class PacedReceive:
    """Receives the parts of one body within the bounds."""

    def __init__(self, receive: Receive, rule: PaceRule, slow: SlowBody) -> None:
        self._receive = receive
        self._rule = rule
        self._slow = slow
        self._began = self._last = asyncio.get_running_loop().time()
        self._received = 0
        self._is_slow = False

    async def __call__(self) -> Message:
        """Return the next part; raises BodyTooSlowError, or the error of the check of a slow body's sender."""
        if not self._is_slow:
            try:
                async with asyncio.timeout_at(self._began + AT_ONCE_SECONDS):
                    return self._note(await self._receive())
            except TimeoutError:
                self._is_slow = True
                await self._slow()
        try:
            async with asyncio.timeout_at(self._until()):
                return self._note(await self._receive())
        except TimeoutError:
            raise BodyTooSlowError from None

    def _note(self, message: Message) -> Message:
        if size := len(message.get("body", b"")):
            self._received += size
            self._last = asyncio.get_running_loop().time()
        return message

    def _until(self) -> float:
        rule = self._rule
        earned = rule.pause_seconds + self._received / rule.bytes_per_second
        return min(self._last + rule.pause_seconds, self._began + earned, self._began + rule.whole_seconds)
