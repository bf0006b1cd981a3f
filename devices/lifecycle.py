"""The lifecycle of a device: employees deactivate, activate, decommission, delete, restore, change and move it.

A call that changes something writes an audit row; a call without effect writes none.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from core.errors import AgentNotFoundError, UnknownBusinessError, UnknownLocationError
from db.sql import load_beside
from devices.audit import Actor
from devices.errors import DecommissionedError

QUERIES = load_beside(__file__, "lifecycle.sql")


@dataclass(frozen=True, slots=True)
class DeviceChange:
    """Changes of a device; None leaves a field unchanged, except the location (`set_location`)."""

    device_name: str | None = None
    set_location: bool = False
    service_location_id: UUID | None = None
    device_type: str | None = None
    metrics_interval_seconds: int | None = None
    monitoring_enabled: bool | None = None
    alerts_enabled: bool | None = None
    auto_remediation_enabled: bool | None = None
    hostname: str | None = None


async def deactivate(pool: asyncpg.Pool, device_id: UUID, employee: Actor, now: datetime) -> None:
    """Refuse a device's calls until it is activated; its token stays. Raises AgentNotFoundError."""
    await _run(pool, "deactivate", device_id, now, employee)


async def activate(pool: asyncpg.Pool, device_id: UUID, employee: Actor, now: datetime) -> None:
    """Accept a device's calls again; raises AgentNotFoundError or DecommissionedError."""
    row = await _run(pool, "activate", device_id, now, employee)
    if row["decommissioned"]:
        raise DecommissionedError


async def decommission(pool: asyncpg.Pool, device_id: UUID, reason: str, employee: Actor, now: datetime) -> None:
    """End a device's service: its tokens are revoked, its open commands cancelled. Raises AgentNotFoundError."""
    await _run(pool, "decommission", device_id, now, employee, reason=reason)


async def delete_device(pool: asyncpg.Pool, device_id: UUID, employee: Actor, now: datetime) -> None:
    """Hide a device everywhere; its data stays. Raises AgentNotFoundError, for one that is deleted already too."""
    await _run(pool, "delete_device", device_id, now, employee)


async def restore(pool: asyncpg.Pool, device_id: UUID, employee: Actor, now: datetime) -> None:
    """Bring back a device that was deleted, lapsed or decommissioned; raises AgentNotFoundError."""
    await _run(pool, "restore", device_id, now, employee)


async def change_device(
    pool: asyncpg.Pool, device_id: UUID, change: DeviceChange, employee: Actor, now: datetime
) -> None:
    """Change a device; raises AgentNotFoundError, or UnknownLocationError for a site of another business."""
    row = await _run(pool, "change_device", device_id, now, employee, **asdict(change))
    if not row["location_fits"]:
        raise UnknownLocationError


async def move_device(
    pool: asyncpg.Pool, device_id: UUID, business_id: UUID, location_id: UUID | None, employee: Actor, now: datetime
) -> None:
    """Move a device to another business; its past stays with the former owner.

    Raises AgentNotFoundError, UnknownBusinessError, or UnknownLocationError for a site of another business.
    """
    row = await _run(
        pool, "move_device", device_id, now, employee, business_id=business_id, service_location_id=location_id
    )
    if not row["business_fits"]:
        raise UnknownBusinessError
    if not row["location_fits"]:
        raise UnknownLocationError


async def dismiss_clone(pool: asyncpg.Pool, device_id: UUID, employee: Actor, now: datetime) -> None:
    """Dismiss the suspicion that two devices share this one's token; raises AgentNotFoundError."""
    await _run(pool, "dismiss_clone", device_id, now, employee)


async def _run(
    pool: asyncpg.Pool, query: str, device_id: UUID, now: datetime, employee: Actor, **values: Any
) -> asyncpg.Record:
    row = await pool.fetchrow(*QUERIES.bind(query, device_id=device_id, now=now, **employee.parameters(), **values))
    if row is None:
        raise AgentNotFoundError
    return row
