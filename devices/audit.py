"""The actors of the audit trail, and its reading: each change of a command or device is a row of `agent_audit`."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from db.sql import load_beside

QUERIES = load_beside(__file__, "audit.sql")


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change, and the address of the call (None for the worker)."""

    kind: Literal["employee", "user", "agent", "system", "unknown"]
    id: UUID | None = None
    source: str | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of every statement that writes the audit trail."""
        return {"actor_kind": self.kind, "actor_id": self.id, "actor_source": self.source}


WORKER = Actor("system")


async def read_audit(pool: asyncpg.Pool, device_id: UUID, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Return the audit rows of a device and its commands, newest first; `before` is the id of the last row seen."""
    return [
        dict(row)
        for row in await pool.fetch(*QUERIES.bind("read_audit", device_id=device_id, before=before, limit=limit))
    ]


@dataclass(frozen=True, slots=True)
class TrailFilter:
    """Filters of the whole trail; None filters nothing. `end` is excluded; times carry a time zone."""

    actor_id: UUID | None = None
    action: str | None = None
    agent_id: UUID | None = None
    business_id: UUID | None = None
    start: datetime | None = None
    end: datetime | None = None

    def named(self) -> dict[str, Any]:
        """Return the filters that are set, by name, for the audit row of an export."""
        return {name: value for name, value in asdict(self).items() if value is not None}


async def read_trail(pool: asyncpg.Pool, only: TrailFilter, before: int | None, limit: int) -> list[dict[str, Any]]:
    """Return rows of the whole trail, newest first, those without a device too; `before` is the last id seen."""
    return [
        dict(row) for row in await pool.fetch(*QUERIES.bind("read_trail", before=before, limit=limit, **asdict(only)))
    ]
