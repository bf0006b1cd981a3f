"""Maintenance windows: employees manage them, customers see their own. `silences/schedule.py` applies them."""

from dataclasses import dataclass
from datetime import datetime, time
from typing import Any
from uuid import UUID

import asyncpg

from alerts.errors import WindowNotFoundError
from alerts.manage.scope import ScopeOfRule, business_of
from core.errors import UnknownEmployeeError
from db.pools import Connection
from db.sql import after_keys, load_beside
from devices.audit import Actor

QUERIES = load_beside(__file__, "windows.sql")


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance window: once between two times (UTC), or weekly from a local time for some minutes."""

    window_name: str
    place: ScopeOfRule
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    weekdays: list[int] | None = None  # 1 is Monday
    local_start: time | None = None
    duration_minutes: int | None = None
    time_zone: str | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the statements, except for the business."""
        return {
            "name": self.window_name, "service_location_id": self.place.service_location_id,
            "device_id": self.place.agent_device_id, "starts_at": self.starts_at, "ends_at": self.ends_at,
            "weekdays": self.weekdays, "local_start": self.local_start, "duration_minutes": self.duration_minutes,
            "time_zone": self.time_zone,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class WindowFilter:
    """Filters of a list of windows; None filters nothing. `after` is (name, id) of the last one of the page before."""

    business_id: UUID | None = None
    device_id: UUID | None = None  # only those that reach this device
    after: tuple[str, UUID] | None = None


async def list_windows(pool: asyncpg.Pool, tenant: UUID | None, only: WindowFilter, limit: int) -> list[asyncpg.Record]:
    """Return at most `limit` windows in the order of their names."""
    return await pool.fetch(
        *QUERIES.bind(
            "list_windows", window_id=None, tenant=tenant, business_id=only.business_id,
            **after_keys(only.after, "name", "id"), limit=limit, device_id=only.device_id,
        )
    )  # fmt: skip


async def read_window(connection: Connection | asyncpg.Pool, tenant: UUID | None, window_id: UUID) -> asyncpg.Record:
    """Return a window; raises WindowNotFoundError."""
    row = await connection.fetchrow(
        *QUERIES.bind(
            "list_windows",
            window_id=window_id,
            tenant=tenant,
            business_id=None,
            after_name=None,
            after_id=None,
            limit=1,
            device_id=None,
        )
    )
    if row is None:
        raise WindowNotFoundError
    return row


async def create_window(pool: asyncpg.Pool, window: Window, employee: Actor, now: datetime) -> asyncpg.Record:
    """Create a window and return it; raises as `business_of`, and UnknownEmployeeError."""
    async with pool.acquire() as connection, connection.transaction():
        business_id = await business_of(connection, window.place)
        try:
            window_id = await connection.fetchval(
                *QUERIES.bind(
                    "create_window", business_id=business_id, now=now, **window.parameters(), **employee.parameters()
                )
            )
        except asyncpg.ForeignKeyViolationError as error:
            raise UnknownEmployeeError from error
        return await read_window(connection, None, window_id)


async def replace_window(
    pool: asyncpg.Pool, window_id: UUID, window: Window, employee: Actor, now: datetime
) -> asyncpg.Record:
    """Replace every field of a window and return it; raises as `business_of`, and WindowNotFoundError."""
    async with pool.acquire() as connection, connection.transaction():
        business_id = await business_of(connection, window.place)
        await connection.execute(
            *QUERIES.bind(
                "replace_window",
                window_id=window_id,
                business_id=business_id,
                now=now,
                **window.parameters(),
                **employee.parameters(),
            )
        )
        return await read_window(connection, None, window_id)


async def delete_window(pool: asyncpg.Pool, window_id: UUID, employee: Actor, now: datetime) -> None:
    """Delete a window; raises WindowNotFoundError."""
    if (
        await pool.fetchval(*QUERIES.bind("delete_window", window_id=window_id, now=now, **employee.parameters()))
        is None
    ):
        raise WindowNotFoundError
