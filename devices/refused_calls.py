"""Refused calls in the audit trail: counted in memory and written together, so that no attacker can fill the disk.

Calls of one caller that are refused for the same reason within a few seconds make one row. The number of rows an hour
is limited, and each address may use a tenth of it; further refusals are counted in one row a minute.
"""

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import asyncpg
import msgspec

from core.clock import Clock
from devices.audit import QUERIES, Actor

MAX_WAITING = 200  # different refusals between two writes
SHARE_OF_SOURCE = 10  # an address gets the tenth part of an hour's rows
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
MAX_CALL_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refused call: the caller, method and route, the stable code of the answer."""

    actor: Actor
    call: str
    code: str
    business_id: str | None = None

    def details(self, count: int) -> str:
        """Return the details of a row as JSON."""
        counted = {"call": self.call, "code": self.code, "count": count}
        return msgspec.json.encode(counted | ({"business_id": self.business_id} if self.business_id else {})).decode()


class RefusedCalls:
    """Collects the refusals of one process; `write` is called every few seconds."""

    def __init__(self, rows_per_hour: int, clock: Clock) -> None:
        """`rows_per_hour` 0: nothing is written."""
        self._rows_per_hour = rows_per_hour
        self._clock = clock
        self._waiting: dict[Refusal, tuple[datetime, int]] = {}
        self._overflow: Counter[str] = Counter()
        self._overflow_written_at = self._hour = clock()
        self._rows: Counter[str | None] = Counter()  # of this hour, by address
        self._written = 0  # in this hour

    def note(self, refusal: Refusal) -> None:
        """Count a refused call; costs no query."""
        refusal = replace(refusal, call=refusal.call[:MAX_CALL_LENGTH])
        waiting = self._waiting.get(refusal)
        if waiting:
            self._waiting[refusal] = waiting[0], waiting[1] + 1
        elif self._has_room(refusal.actor.source):
            self._waiting[refusal] = self._clock(), 1
        elif self._rows_per_hour:
            self._overflow[refusal.code] += 1

    async def write(self, pool: asyncpg.Pool) -> int:
        """Write the collected refusals in one statement; return the number of rows. If it fails, they are lost."""
        rows = [(at, refusal.actor, refusal.details(count)) for refusal, (at, count) in self._waiting.items()]
        self._waiting.clear()
        rows += self._take_overflow()
        if rows:
            times, actors, details = zip(*rows, strict=True)
            kinds, ids, sources = zip(*((actor.kind, actor.id, actor.source) for actor in actors), strict=True)
            await pool.execute(
                *QUERIES.bind(
                    "add_refused_calls", times=times, actor_kinds=kinds, actor_ids=ids, sources=sources, details=details
                )
            )
        return len(rows)

    def _has_room(self, source: str | None) -> bool:
        """Take one of the rows of this hour; return whether there was one for this address."""
        now = self._clock()
        if now - self._hour >= HOUR:
            self._hour, self._written = now, 0
            self._rows.clear()
        share = max(1, self._rows_per_hour // SHARE_OF_SOURCE)
        if len(self._waiting) >= MAX_WAITING or self._written >= self._rows_per_hour or self._rows[source] >= share:
            return False
        self._written += 1
        self._rows[source] += 1
        return True

    def _take_overflow(self) -> list[tuple[datetime, Actor, str]]:
        """Return the row that counts the refusals beyond the limits, at most once a minute."""
        now = self._clock()
        if not self._overflow or now - self._overflow_written_at < MINUTE:
            return []
        details = msgspec.json.encode({"codes": self._overflow, "count": self._overflow.total()}).decode()
        self._overflow.clear()
        self._overflow_written_at = now
        return [(now, Actor("unknown"), details)]
