"""Devices as people see them, and what changes one: list, read, heartbeat, revoke. Every read carries the tenant."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from agents.tokens import AgentToken
from db.errors import AgentNotFoundError, RevokedTokenError
from db.sql import load_beside

QUERIES = load_beside(__file__)


@dataclass(frozen=True, slots=True)
class DeviceFilter:
    """Which devices a list holds; None filters nothing. `after` is (name, id) of the last device before this page."""

    business_id: UUID | None = None
    statuses: list[str] | None = None
    service_location_id: UUID | None = None
    after: tuple[str, UUID] | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """What a heartbeat says: online, warning or error, and the agent's version if it says so."""

    status: str
    agent_version: str | None


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


async def check_agent(pool: asyncpg.Pool, agent: AgentToken, now: datetime) -> UUID:
    """Return the business of an agent; raises RevokedTokenError when its token is no longer good."""
    business_id: UUID | None = await pool.fetchval(QUERIES["check_agent"], agent.agent_id, agent.token_hash, now)
    if business_id is None:
        raise RevokedTokenError
    return business_id


async def heartbeat(
    pool: asyncpg.Pool, agent: AgentToken, beat: Beat, now: datetime, token_overlap: timedelta
) -> asyncpg.Record:
    """Note that a device is alive; returns what it has to know, as the query names it.

    Raises RevokedTokenError when the token is no longer good.
    """
    row = await pool.fetchrow(
        QUERIES["heartbeat"], agent.agent_id, agent.token_hash, now, beat.status, beat.agent_version, token_overlap
    )
    if row is None:
        raise RevokedTokenError
    return row


async def revoke_token(pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, now: datetime) -> None:
    """Refuse the device's token from now on; raises AgentNotFoundError."""
    if await pool.fetchval(QUERIES["revoke_token"], device_id, tenant, now) is None:
        raise AgentNotFoundError
