"""Records reads of sensitive data in the audit trail: outputs of commands, lists of software, the trail itself.

The row is committed before the answer. Repeated reads of one thing by one person make one row an hour in each process,
so a page that reads every few seconds does not fill the trail.
"""

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from core.clock import Clock
from devices.audit import QUERIES, Actor

ReadAction = Literal["outputs_read", "commands_read", "inventory_read", "audit_read", "audit_exported"]
AGAIN_AFTER = timedelta(hours=1)
MAX_REMEMBERED = 20_000
Key = tuple[str, UUID | None, str, UUID | None, str]


class SensitiveReads:
    """Writes reads to the audit trail, and keeps those of the last hour in memory."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._last: dict[Key, datetime] = {}

    async def note(
        self,
        actor: Actor,
        action: ReadAction,
        device_id: UUID | None = None,
        **details: Any,
    ) -> None:
        """Write that `actor` reads this now, unless that was written within the hour; `details` are JSON values."""
        now, encoded = self._clock(), msgspec.json.encode(details).decode()
        key = actor.kind, actor.id, action, device_id, encoded
        before = self._last.get(key)
        if before is not None and now - before < AGAIN_AFTER:
            return
        await self._pool.execute(
            *QUERIES.bind(
                "add_read", now=now, **actor.parameters(), action=action, device_id=device_id, details=encoded
            )
        )
        self._remember(key, now)

    def _remember(self, key: Key, now: datetime) -> None:
        if len(self._last) >= MAX_REMEMBERED:
            self._last = {key: at for key, at in self._last.items() if now - at < AGAIN_AFTER}
            if len(self._last) >= MAX_REMEMBERED:
                self._last.clear()
        self._last[key] = now
