"""Waiting for a condition instead of sleeping: quick where it holds soon, patient on a busy machine."""

import asyncio
import time
from collections.abc import Callable

PATIENCE_SECONDS = 180.0
PAUSE_SECONDS = 0.01


async def until(holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Return as soon as `holds()` is true; raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not holds():  # noqa: ASYNC110  what is waited for is often in another process
            await asyncio.sleep(PAUSE_SECONDS)


def wait_until(holds: Callable[[], object], seconds: float = PATIENCE_SECONDS) -> None:
    """Do the same outside an event loop."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(PAUSE_SECONDS)
