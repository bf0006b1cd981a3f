"""Devices as people see them, and what changes one: list, read, heartbeat, revoke. Every read carries the tenant."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from agents.errors import InvalidTokenError
from agents.tokens import AgentToken
from db.errors import AgentNotFoundError
from db.sql import load_beside

QUERIES = load_beside(__file__)


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices a list holds; None filters nothing. `after` is (name, id) of the last device before this page."""

    business_id: UUID | None = None
    statuses: list[str] | None = None
    service_location_id: UUID | None = None
    after: tuple[str, UUID] | None = None


async def list_devices(
    pool: asyncpg.Pool, tenant: UUID | None, wanted: DeviceFilter, limit: int
) -> list[asyncpg.Record]:
    """Return a page of at most `limit` devices in the order of their names."""
    name, device_id = wanted.after or (None, None)
    return await pool.fetch(
        QUERIES["list_devices"], tenant, wanted.business_id, wanted.statuses, wanted.service_location_id,
        name, device_id, limit,
    )  # fmt: skip


async def get_device(pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID) -> asyncpg.Record:
    """Return a device with its newest sample, services and count of open alerts; raises AgentNotFoundError."""
    row = await pool.fetchrow(QUERIES["get_device"], device_id, tenant)
    if row is None:
        raise AgentNotFoundError
    return row


async def heartbeat(
    pool: asyncpg.Pool, agent: AgentToken, status: str, agent_version: str | None, now: datetime
) -> asyncpg.Record:
    """Note that a device is alive; returns config_updated, metrics_interval_seconds and pending_commands.

    Raises InvalidTokenError when the token is revoked.
    """
    row = await pool.fetchrow(QUERIES["heartbeat"], agent.agent_id, agent.token_hash, now, status, agent_version)
    if row is None:
        raise InvalidTokenError("This agent's token is revoked or its device is deactivated: register it again.")
    return row


async def revoke_token(pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, now: datetime) -> None:
    """Refuse the device's token from now on; raises AgentNotFoundError."""
    if await pool.fetchval(QUERIES["revoke_token"], device_id, tenant, now) is None:
        raise AgentNotFoundError
