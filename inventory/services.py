"""The services of a device: their newest state from uploads, and the state that employees expect."""

from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from core.errors import UnknownEmployeeError
from db.sql import load_beside
from devices.audit import Actor
from inventory.errors import ServiceNotFoundError
from inventory.software import read_device

QUERIES = load_beside(__file__, "services.sql")


async def read_services(pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID) -> list[asyncpg.Record]:
    """Return the services of a device in the order of their names; raises AgentNotFoundError."""
    rows = await pool.fetch(*QUERIES.bind("read_services", device_id=device_id, tenant=tenant))
    if not rows:
        await read_device(pool, tenant, device_id)
    return rows


async def change_service(
    pool: asyncpg.Pool, device_id: UUID, service_id: UUID, changes: dict[str, Any], employee: Actor, now: datetime
) -> asyncpg.Record:
    """Change should_be_running, auto_restart or service_display_name, as `changes` names them, and return the service.

    Raises ServiceNotFoundError or UnknownEmployeeError.
    """
    patch = msgspec.json.encode(changes).decode()
    row = await pool.fetchrow(
        *QUERIES.bind(
            "change_service",
            device_id=device_id,
            service_id=service_id,
            changes=patch,
            now=now,
            **employee.parameters(),
        )
    )
    if row is None:
        raise ServiceNotFoundError
    if row["id"] is None:
        raise UnknownEmployeeError
    return row
