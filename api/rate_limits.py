"""Call limits: token buckets by agent, by person and by business; never by address.

A site is one NAT, so an address does not identify a caller. Each process counts separately. An agent or person keeps
one connection and so one process, which allows the whole limit; a business has many connections, so each process of a
server allows it a share (`api/services.py`). A bucket holds the calls of a minute, so that a caller who was away may
catch up at once.
"""

import time
from collections.abc import Callable, Hashable
from uuid import UUID

from core.errors import RateLimitedError

MAX_KEYS = 200_000  # callers remembered, about 40 MB; beyond it those whose bucket is full are forgotten


class Buckets:
    """One token bucket for each key."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._capacity = float(per_minute)
        self._per_second = per_minute / 60
        self._clock = clock
        self._levels: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable) -> float:
        """Take one call; return 0.0, or the seconds to wait for the next when there is none left."""
        now = self._clock()
        level = self._level(key, now)
        if level < 1.0:
            return (1.0 - level) / self._per_second
        if key not in self._levels and len(self._levels) >= MAX_KEYS:
            self._forget_full(now)
        self._levels[key] = level - 1.0, now
        return 0.0

    def merge(self, key: Hashable, into: Hashable) -> None:
        """Let one caller's taken calls be another's too."""
        now = self._clock()
        taken = self._capacity - self._level(key, now)
        self._levels.pop(key, None)
        if taken:
            self._levels[into] = max(0.0, self._level(into, now) - taken), now

    def _level(self, key: Hashable, now: float) -> float:
        level, at = self._levels.get(key, (self._capacity, now))
        return min(self._capacity, level + (now - at) * self._per_second)

    def _forget_full(self, now: float) -> None:
        """Delete callers that have been quiet for a minute: their buckets are full again. At worst delete all."""
        self._levels = {key: entry for key, entry in self._levels.items() if now - entry[1] < 60}
        if len(self._levels) >= MAX_KEYS:
            self._levels = {}


class CallLimits:
    """The limits of this process; each method raises RateLimitedError when a caller has to wait."""

    def __init__(self, agent: int, person: int, business: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Each number is calls per minute."""
        self._agents, self._people, self._businesses = (Buckets(each, clock) for each in (agent, person, business))
        self._business_of: dict[UUID, UUID] = {}
        self._good: dict[UUID, str] = {}  # agents, and the hash of the token that the database took last

    def take_agent(self, agent_id: UUID, token_hash: str = "") -> None:
        """Count a call of an agent, and of its business once `learn` has stored it."""
        caller, business_id = self.payer(agent_id, token_hash)
        self._take(self._agents, caller, "agent")
        if business_id:
            self._take(self._businesses, business_id, "business")

    def take_person(self, subject: str, business_id: UUID | None) -> None:
        """Count a call of a user or employee, and of the user's business."""
        self._take(self._people, subject, "person")
        if business_id:
            self._take(self._businesses, business_id, "business")

    def payer(self, agent_id: UUID, token_hash: str) -> tuple[Hashable, UUID | None]:
        """Return whose share a call uses, and of which business: the agent's, once `learn` has stored its token.

        Until then only the token's own: the holder of an old token must not use up the limits of the device.
        """
        if token_hash and self._good.get(agent_id) != token_hash:
            return token_hash, None
        return agent_id, self._business_of.get(agent_id)

    def business_of(self, agent_id: UUID) -> UUID | None:
        """Return the business of an agent, as last read from the database in this process; None if not read yet."""
        return self._business_of.get(agent_id)

    def learn(self, agent_id: UUID, business_id: UUID, token_hash: str = "") -> None:
        """Store the business of an agent, which its token does not contain, and the token that the database took."""
        if len(self._business_of) >= MAX_KEYS:
            self._business_of.clear()
            self._good.clear()
        self._business_of[agent_id] = business_id
        if token_hash and self._good.get(agent_id) != token_hash:
            self._good[agent_id] = token_hash
            self._agents.merge(token_hash, agent_id)

    @staticmethod
    def _take(buckets: Buckets, key: Hashable, owner: str) -> None:
        wait = buckets.take(key)
        if wait:
            raise RateLimitedError(owner, wait)
