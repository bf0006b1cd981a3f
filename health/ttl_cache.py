"""An answer that is kept for a while, so that it costs one asking however many want it."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Asks again when its answer is `seconds` old; those who come meanwhile wait for the one asking."""

    def __init__(self, seconds: float, read: Callable[[], Awaitable[T]]) -> None:
        """Keep what `read` returns; what it raises is raised, and nothing is kept."""
        self.seconds = seconds
        self.asked_at: float | None = None  # by time.monotonic; None: nothing is kept yet
        self._ask = read
        self._lock = asyncio.Lock()
        self._answer: T

    async def get(self) -> T:
        async with self._lock:
            if self.asked_at is None or time.monotonic() - self.asked_at >= self.seconds:
                self._answer = await self._ask()
                self.asked_at = time.monotonic()
            return self._answer
