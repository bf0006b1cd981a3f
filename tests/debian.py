"""Debian's own monitoring programs, for tests against a running server; without a program its tests are skipped."""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest


def program(name: str, package: str) -> str:
    """Return the path of a program; skips the test, with the reason, where Debian's package is not installed."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return path


@asynccontextmanager
async def running(*command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program until the end of the block."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 20)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
                await process.wait()


async def eventually(holds: Callable[[], Awaitable[bool]], seconds: float = 120) -> None:
    """Wait until a condition in another process holds."""
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  it is another process's state
            await asyncio.sleep(0.2)
