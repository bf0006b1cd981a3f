"""Isolation of failures: one row, rule, device or tenant that fails does not stop the others of its loop.

Three parts, used by every loop of the worker over data of tenants:

- `in_halves` does a batch in one statement, and in halves where that fails, until each item that fails is found.
- `Isolated` records a failing item in `agent_isolated_faults`, with the reason, and skips it until its retry is due.
- each attempt has a limit in time; the worker gives each task one besides.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "isolation.sql")
log = logging.getLogger(__name__)

FIRST_RETRY, LAST_RETRY = timedelta(minutes=1), timedelta(hours=1)
ATTEMPT_SECONDS = 30.0
MAX_FAILURES = 100  # of one batch that are looked for; a batch in which more fail has another reason
T = TypeVar("T")


class TooManyFailuresError(Exception):
    """Too many items of a batch fail: the fault is not that of single items."""


async def in_halves(
    connection: Connection, items: Sequence[T], do: Callable[[Sequence[T]], Awaitable[None]],
    seconds: float = ATTEMPT_SECONDS,
) -> list[tuple[T, Exception]]:  # fmt: skip
    """Do all items in a transaction; on failure do each half instead. Return the items that fail alone.

    Raises what `do` raised when the connection is gone, and TooManyFailuresError.
    """
    failed: list[tuple[T, Exception]] = []
    waiting: list[Sequence[T]] = [items] if items else []
    while waiting:
        part = waiting.pop()
        try:
            async with asyncio.timeout(seconds), connection.transaction():
                await do(part)
        except Exception as error:
            if connection.is_closed():
                raise
            if len(part) == 1:
                failed.append((part[0], error))
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
            if len(failed) > MAX_FAILURES:
                raise TooManyFailuresError(f"more than {MAX_FAILURES} of {len(items)} fail: {error!r}") from error
    return failed


class Isolated:
    """The failing items of one task of the worker at `now` (UTC), by names such as `device:<id>`."""

    def __init__(self, connection: Connection, task: str, now: datetime) -> None:
        self._connection = connection
        self._task = task
        self._now = now
        self._known: set[str] = set()
        self.postponed: set[str] = set()

    async def read(self) -> "Isolated":
        """Read which items are postponed now."""
        rows = await self._connection.fetch(*QUERIES.bind("read_faults", task=self._task, now=self._now))
        self._known = {row["item"] for row in rows}
        self.postponed = {row["item"] for row in rows if row["is_held"]}
        return self

    def postponed_ids(self, kind: str) -> list[str]:
        """Return the ids of the postponed items of a kind: of `device:<id>` the ids."""
        return [item.removeprefix(f"{kind}:") for item in self.postponed if item.startswith(f"{kind}:")]

    async def attempt(self, item: str, do: Callable[[], Awaitable[T]], seconds: float = ATTEMPT_SECONDS) -> T | None:
        """Do one thing in its own transaction, unless it is postponed; note its failure, None then."""

        async def whole() -> T:
            async with self._connection.transaction():
                return await do()

        return await self.attempt_parts(item, whole, seconds)

    async def attempt_parts(self, item: str, do: Callable[[], Awaitable[T]], seconds: float) -> T | None:
        """Do one thing with its own transactions: those committed before a failure stay. Else as `attempt`."""
        if item in self.postponed:
            return None
        try:
            async with asyncio.timeout(seconds):
                done = await do()
        except Exception as error:
            if self._connection.is_closed():
                raise
            await self.note(item, error)
            return None
        await self.forget(item)
        return done

    async def note(self, item: str, error: Exception | str) -> None:
        """Record the failure of an item; it is tried again after a minute, then two, up to an hour."""
        reason = (error if isinstance(error, str) else str(error) or repr(error)).replace("\0", "")[:1000]
        self.postponed.add(item)
        log.warning("%s: %s failed and is postponed: %s", self._task, item, reason)
        with suppress(UnicodeEncodeError):
            await self._connection.execute(
                *QUERIES.bind(
                    "note_fault",
                    task=self._task,
                    item=item[:300],
                    reason=reason,
                    now=self._now,
                    first_delay=FIRST_RETRY,
                    longest_delay=LAST_RETRY,
                )
            )

    async def forget(self, item: str) -> None:
        """Delete the record of an item that succeeds again."""
        if item in self._known:
            self._known.discard(item)
            await self._connection.execute(*QUERIES.bind("forget_faults", task=self._task, items=[item]))

    async def forget_others(self) -> None:
        """Delete the records of items that were tried in this pass and did not fail, for tasks that try all at once."""
        recovered = [item for item in self._known if item not in self.postponed]
        if recovered:
            await self._connection.execute(*QUERIES.bind("forget_faults", task=self._task, items=recovered))


Do = Callable[[Sequence[UUID] | None], Awaitable[int]]
Find = Callable[..., tuple[Any, ...]]


async def due_apart(
    connection: Connection, task: str, now: datetime, do: Do, find: Find, seconds: float = ATTEMPT_SECONDS
) -> int:
    """Do all due items in one statement, `do(None)`; if it fails, do them separately, without the postponed ones.

    `do` takes the only ids that it may touch and returns how much it did. `find(postponed=ids)` returns SQL and
    arguments of a query for the due ids without the postponed ones. `seconds` is the limit of each statement.
    """
    isolated = await Isolated(connection, task, now).read()
    if not isolated.postponed:
        try:
            async with asyncio.timeout(seconds), connection.transaction():
                done = await do(None)
            await isolated.forget_others()
            return done
        except Exception as error:
            if connection.is_closed():
                raise
            log.warning("%s: a batch failed, its items are processed one by one: %s", task, error)
    counted: list[int] = []

    async def some(ids: Sequence[UUID]) -> None:
        counted.append(await do(ids))

    postponed_ids = [UUID(item.partition(":")[2]) for item in isolated.postponed]
    ids = [row["id"] for row in await connection.fetch(*find(postponed=postponed_ids))]
    for failed, reason in await in_halves(connection, ids, some, seconds):
        await isolated.note(f"id:{failed}", reason)
    await isolated.forget_others()
    return sum(counted)
