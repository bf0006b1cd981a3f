"""What an agent tells of its device beyond samples: a service crashed, a disk is failing, somebody logged in."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from db.sql import load_beside

QUERIES = load_beside(__file__, "events.sql")


async def add_event(
    pool: asyncpg.Pool, device_id: UUID, event_type: str, occurred_at: datetime, data: dict[str, Any], now: datetime
) -> None:
    """Keep an event of a device; those who follow it are told. Times are UTC."""
    encoded = msgspec.json.encode(data).decode()
    await pool.execute(QUERIES["add_event"], device_id, event_type, occurred_at, now, encoded)
