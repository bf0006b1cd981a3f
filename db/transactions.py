"""Runs transactions again after a deadlock, which is temporary."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, ClassVar, Concatenate, ParamSpec, TypeVar

import asyncpg

from core.errors import RtsError
from db.pools import Connection

# Errors by which the database ends a transaction so that others can continue; a retry may succeed.
TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError, asyncpg.SerializationError)
ATTEMPTS = 3

P = ParamSpec("P")
T = TypeVar("T")


class DatabaseBusyError(RtsError):
    """Another transaction changes the same rows: send the request again later."""

    code: ClassVar[str] = "database_busy"
    status: ClassVar[int] = 503


def in_transaction(
    work: Callable[Concatenate[Connection, P], Awaitable[T]],
) -> Callable[Concatenate[asyncpg.Pool, P], Coroutine[Any, Any, T]]:
    """Have `work` take a pool: it runs in its own transaction, again after a deadlock.

    So it must do nothing outside the database. The third deadlock raises DatabaseBusyError.
    """

    @wraps(work)
    async def run(pool: asyncpg.Pool, /, *args: P.args, **kwargs: P.kwargs) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                async with pool.acquire() as connection, connection.transaction():
                    return await work(connection, *args, **kwargs)
            except TRY_AGAIN as fault:
                if attempt == ATTEMPTS:
                    raise DatabaseBusyError from fault
        raise AssertionError("the loop returns or raises")

    return run
