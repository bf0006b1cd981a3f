"""A database that a benchmark has to itself: emptied, its policies at rest."""

import asyncio
from contextlib import suppress

import asyncpg

from db.sql import load_beside

QUERIES = load_beside(__file__, "clean.sql")
EMPTY = ("empty", "empty_5m", "empty_1h", "empty_1d")


async def pause_policies(connection: asyncpg.Connection) -> None:
    """Take our jobs off the server's schedule, and wait for those that run: they would measure along."""
    await connection.execute(QUERIES["pause_policies"])
    while await connection.fetchval(QUERIES["count_running"]):  # noqa: ASYNC110  the jobs are the database's
        await asyncio.sleep(0.1)


async def settle(connection: asyncpg.Connection) -> None:
    """Run a CHECKPOINT after the last step; without the right for it, its writes are measured too."""
    with suppress(asyncpg.InsufficientPrivilegeError):
        await connection.execute(QUERIES["settle"])


async def empty(connection: asyncpg.Connection) -> None:
    """Forget every device, sample and rollup."""
    for query in EMPTY:
        await connection.execute(QUERIES[query])
