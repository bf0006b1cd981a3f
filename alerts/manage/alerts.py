"""Lists of alerts (of a device, open ones of all devices), and actions: acknowledge, resolve, snooze.

An alert that an employee resolves does not return while its rule still holds: the rule's state on that device stays
firing, so the rule can fire there again only after the device has recovered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from alerts.errors import AlertEndedError, AlertNotFoundError
from alerts.notify.queue import queue_resolved
from core.errors import UnknownEmployeeError
from db.pools import Connection
from db.sql import after_keys, load_beside
from db.transactions import in_transaction
from devices.audit import Actor
from devices.event_log import check_known

QUERIES = load_beside(__file__, "alerts.sql")

OPEN = ("active", "acknowledged")


@dataclass(frozen=True, slots=True)
class OpenFilter:
    """Which open alerts a list holds; `after` is (rank, triggered_at, id) of the last one before this page."""

    business_id: UUID | None = None
    severities: Sequence[str] | None = None
    after: tuple[int, datetime, UUID] | None = None


async def read_device_alerts(
    pool: asyncpg.Pool,
    tenant: UUID | None,
    device_id: UUID,
    statuses: Sequence[str] | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Return a device's alerts, newest first; `after` is (triggered_at, id) of the last one before this page.

    Raises AgentNotFoundError.
    """
    rows = await pool.fetch(
        *QUERIES.bind(
            "device_alerts",
            device_id=device_id,
            tenant=tenant,
            statuses=statuses,
            **after_keys(after, "time", "id"),
            limit=limit,
        )
    )
    if not rows:
        await check_known(pool, tenant, device_id, deleted_too=False)
    return await show(pool, rows, tenant)


async def read_open_alerts(
    pool: asyncpg.Pool, tenant: UUID | None, filters: OpenFilter, limit: int
) -> list[asyncpg.Record]:
    """Return open alerts of the devices that the caller may see: the worst first, then the newest."""
    rows = await pool.fetch(
        *QUERIES.bind(
            "open_alerts", tenant=tenant, business_id=filters.business_id, severities=filters.severities,
            **after_keys(filters.after, "rank", "time", "id"), limit=limit,
        )
    )  # fmt: skip
    return await show(pool, rows, tenant)


async def show(pool: asyncpg.Pool, rows: Sequence[asyncpg.Record], tenant: UUID | None) -> list[asyncpg.Record]:
    """Return the alerts of a list with their names and texts, in its order."""
    return await pool.fetch(*QUERIES.bind("show_alerts", alerts=[row["id"] for row in rows], tenant=tenant))


@in_transaction
async def acknowledge(
    connection: Connection, history_id: UUID, note: str | None, employee: Actor, now: datetime
) -> asyncpg.Record:
    """Record that an employee handles an alert; a second call changes nothing. Raises as `handle`."""
    return await handle(connection, "acknowledge", history_id, employee, now, note=note)


@in_transaction
async def resolve(
    connection: Connection, history_id: UUID, notes: str | None, employee: Actor, now: datetime
) -> asyncpg.Record:
    """End an alert by hand and notify its recipients; raises as `handle`."""
    row = await handle(connection, "resolve", history_id, employee, now, notes=notes)
    await queue_resolved(connection, [history_id], now)
    return row


@in_transaction
async def snooze(
    connection: Connection, history_id: UUID, span: timedelta, employee: Actor, now: datetime
) -> asyncpg.Record:
    """Send no messages of an alert for a time; a span of zero ends the snooze. Raises as `handle`."""
    return await handle(connection, "snooze", history_id, employee, now, until=now + span if span else None)


async def handle(
    connection: Connection, query: str, history_id: UUID, employee: Actor, now: datetime, **values: Any
) -> asyncpg.Record:
    """Run a statement on an open alert and return the alert.

    Raises AlertNotFoundError, AlertEndedError or UnknownEmployeeError.
    """
    try:
        was = await connection.fetchrow(
            *QUERIES.bind(query, alert_id=history_id, now=now, **employee.parameters(), **values)
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownEmployeeError from error
    if was is None:
        raise AlertNotFoundError
    if was["status"] not in OPEN:
        raise AlertEndedError
    row = await connection.fetchrow(*QUERIES.bind("show_alerts", alerts=[history_id], tenant=None))
    assert row is not None
    return row
