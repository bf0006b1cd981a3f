"""How long a request body may take: a first moment, a pause without a byte, a minimum rate, and a time for the whole.

A body that is not there within the first moment makes the server ask the database about its sender, once: a token that
was revoked holds nothing while its body is on its way. Bodies that come at once, nearly all, cost no query.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from api.server.asgi import Message, Receive
from api.server.body_errors import BodyTooSlowError

AT_ONCE_SECONDS = 1.0

SlowBody = Callable[[], Awaitable[None]]  # called once for a body that does not come at once; may raise RtsError


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
        """Return the next part; raises BodyTooSlowError, and what the check of a slow body's sender raises."""
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
