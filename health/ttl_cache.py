"""A cached answer with a time limit: one read serves all callers."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Reads again when its answer is `seconds` old; other callers wait for that read."""

    def __init__(self, seconds: float, read: Callable[[], Awaitable[T]]) -> None:
        """Cache the result of `read`; its errors are raised and not cached."""
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
