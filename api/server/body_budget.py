"""The memory budget for the bodies of all requests, with a share for each sender, so that no sender can use it all.

An agent has its own share, and the agents of one business have one together; agents whose business the database
has not confirmed in this process (a revoked token, perhaps) count as one business. A request without a token is held
by its address, and all of these together have a small share.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg

from db.pools import CONNECTION_ERRORS
from ingest.errors import IngestBusyError

log = logging.getLogger(__name__)

MIB = 1024 * 1024
MAX_PER_ADDRESS = 4 * MIB  # bytes that requests without a token hold for each address
SLOW_BODY = 64 * 1024  # bytes charged for a body that does not arrive at once: its connection buffers as much
ASKING_SECONDS = 2.0
SPENT_SHARE = 0.9  # share of the budget from which this process is not ready for more

Kind = Literal["agent", "person", "address"]


class Holder(NamedTuple):
    """The sender of a body: an agent, a person or an address, and its business, if the process has it."""

    kind: Kind
    key: Hashable
    business_id: UUID | None = None


class BodyBudget:
    """Bounds one body (after decompression) and all bodies in memory together, in bytes."""

    def __init__(self, one: int, together: int) -> None:
        self.one = one
        self.together = together
        self.in_memory = 0
        self._held: dict[Hashable, int] = {}
        self._of_sender = max(one + SLOW_BODY, together // 8)
        self._of_group = {
            "agent": max(one + SLOW_BODY, together // 2), "person": max(one + SLOW_BODY, together // 2),
            "address": together // 8,
        }  # fmt: skip

    @property
    def is_spent(self) -> bool:
        """Whether a large body would be refused now."""
        return self.in_memory >= SPENT_SHARE * self.together

    def room_for(self, holder: Holder) -> "Room":
        """Return the account of one body's bytes; close it to release them."""
        limit = MAX_PER_ADDRESS if holder.kind == "address" else self._of_sender
        group = "address" if holder.kind == "address" else ("business", holder.business_id)
        return Room(self, ((holder.key, limit), (group, self._of_group[holder.kind])))

    def take(self, shares: tuple[tuple[Hashable, int], ...], size: int) -> None:
        """Count `size` more bytes; raises IngestBusyError if the budget or a share is exceeded."""
        held_bytes = self._held
        if self.in_memory + size > self.together:
            raise IngestBusyError
        for key, most in shares:
            if held_bytes.get(key, 0) + size > most:
                raise IngestBusyError("This sender has too many unfinished request bodies: send them one by one.")
        self.in_memory += size
        for key, _ in shares:
            held_bytes[key] = held_bytes.get(key, 0) + size

    def give_back(self, shares: tuple[tuple[Hashable, int], ...], size: int) -> None:
        """Release `size` bytes."""
        self.in_memory -= size
        for key, _ in shares:
            remaining = self._held.get(key, 0) - size
            if remaining > 0:
                self._held[key] = remaining
            else:
                self._held.pop(key, None)


class Room:
    """The bytes that one body holds."""

    __slots__ = ("_budget", "_shares", "_taken")

    def __init__(self, budget: BodyBudget, shares: tuple[tuple[Hashable, int], ...]) -> None:
        self._budget = budget
        self._shares = shares
        self._taken = 0

    def take(self, size: int) -> None:
        """Hold `size` more bytes; raises IngestBusyError."""
        self._budget.take(self._shares, size)
        self._taken += size

    def give_back(self, size: int) -> None:
        """Give back `size` bytes that are held."""
        self._taken -= size
        self._budget.give_back(self._shares, size)

    def close(self) -> None:
        """Release all bytes; a second call changes nothing."""
        returned, self._taken = self._taken, 0
        if returned:
            self._budget.give_back(self._shares, returned)


async def charge_slow_body(allowance: Room, is_still_good: Callable[[], Awaitable[None]]) -> None:
    """Charge a slow body for its connection, and check that its sender may still send.

    Raises IngestBusyError, or the error of `is_still_good`. While the database is unavailable only the bounds apply.
    """
    allowance.take(SLOW_BODY)
    try:
        async with asyncio.timeout(ASKING_SECONDS):
            await is_still_good()
    except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
        log.warning("the sender of a slow body could not be checked: %r", error)
