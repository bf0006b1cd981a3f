"""Events of devices: reported by agents or detected by the server, read by people; retention deletes them by age."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from core.errors import AgentNotFoundError
from db.sql import load_beside

QUERIES = load_beside(__file__, "event_log.sql")


async def add_event(
    pool: asyncpg.Pool, device_id: UUID, event_type: str, occurred_at: datetime, data: dict[str, Any], now: datetime
) -> None:
    """Store an event that an agent reports (a service crashed) and notify followers. Times are UTC."""
    encoded = msgspec.json.encode(data).decode()
    await pool.execute(
        *QUERIES.bind(
            "add_event", device_id=device_id, event_type=event_type, occurred_at=occurred_at, now=now, data=encoded
        )
    )


async def read_events(
    pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, event_type: str | None, before: int | None, limit: int
) -> list[asyncpg.Record]:
    """Return a device's events, newest first; `before` is the id of the last one seen. Raises AgentNotFoundError."""
    rows = await pool.fetch(
        *QUERIES.bind(
            "read_events", device_id=device_id, tenant=tenant, event_type=event_type, before=before, limit=limit
        )
    )
    if not rows:
        await check_known(pool, tenant, device_id, deleted_too=False)
    return rows


async def check_known(pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, *, deleted_too: bool) -> None:
    """Raise AgentNotFoundError unless `tenant` may see such a device."""
    if not await pool.fetchval(
        *QUERIES.bind("device_known", device_id=device_id, tenant=tenant, deleted_too=deleted_too)
    ):
        raise AgentNotFoundError
