"""Gateways: one token of a business whose uploads bring many hosts. Each host becomes a device, or matches one.

A host name is a claim of the sender: it reaches only devices of the gateway's own business. A new one becomes a
device only by the gateway's rule or by a person, and a gateway has a bounded number of hosts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

import asyncpg

from auth.tokens import Tokens, token_hash
from core.errors import AgentNotFoundError, UnknownBusinessError, UnknownLocationError
from db.pools import Connection
from db.sql import after_keys, load_beside
from devices.audit import Actor
from devices.errors import AgentHasTokenError, DeviceTakenError, GatewayNotFoundError, HostNotFoundError

QUERIES = load_beside(__file__, "gateways.sql")
REGISTRY = load_beside(__file__)


@dataclass(frozen=True, slots=True)
class GatewayRequest:
    """The settings of a gateway; `metrics_interval_seconds` is the interval of samples of each host."""

    business_id: UUID
    service_location_id: UUID | None
    gateway_name: str
    enrolment: str
    host_pattern: str
    max_hosts: int
    metrics_interval_seconds: int
    may_read: bool = False  # the business's devices, as other monitoring does


@dataclass(frozen=True, slots=True)
class HostDecision:
    """The device of a host: an existing one, or a new one with this name (default: the host's)."""

    agent_id: UUID | None = None
    device_name: str | None = None
    replace_agent: bool = False  # the device's own agent is refused from then on


async def create_gateway(
    pool: asyncpg.Pool, tokens: Tokens, requested: GatewayRequest, employee: Actor, now: datetime
) -> tuple[UUID, str]:
    """Return the id of a new gateway and its token, which is shown once.

    Raises UnknownBusinessError, UnknownLocationError.
    """
    gateway_id = uuid4()
    token = tokens.issue_gateway(gateway_id, now)
    async with pool.acquire() as connection:
        if requested.service_location_id and not await connection.fetchval(
            *REGISTRY.bind(
                "location_in_business",
                service_location_id=requested.service_location_id,
                business_id=requested.business_id,
            )
        ):
            raise UnknownLocationError
        try:
            await connection.fetchval(
                *QUERIES.bind(
                    "create_gateway",
                    gateway_id=gateway_id,
                    business_id=requested.business_id,
                    service_location_id=requested.service_location_id,
                    name=requested.gateway_name,
                    token_hash=token_hash(token),
                    enrolment=requested.enrolment,
                    host_pattern=requested.host_pattern,
                    max_hosts=requested.max_hosts,
                    metrics_interval_seconds=requested.metrics_interval_seconds,
                    now=now,
                    **employee.parameters(),
                    may_read=requested.may_read,
                ),
            )
        except asyncpg.ForeignKeyViolationError as error:
            raise UnknownBusinessError from error
    return gateway_id, token


async def list_gateways(
    pool: asyncpg.Pool, business_id: UUID | None, after: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """Return at most `limit` gateways, newest first. Times are UTC."""
    return await pool.fetch(
        *QUERIES.bind(
            "list_gateways",
            gateway_id=None,
            business_id=business_id,
            **after_keys(after, "time", "id"),
            limit=limit,
        )
    )


async def get_gateway(pool: asyncpg.Pool, gateway_id: UUID) -> asyncpg.Record:
    """Return one gateway; raises GatewayNotFoundError."""
    row = await pool.fetchrow(
        *QUERIES.bind("list_gateways", gateway_id=gateway_id, business_id=None, after_time=None, after_id=None, limit=1)
    )
    if row is None:
        raise GatewayNotFoundError
    return row


async def revoke_gateway(pool: asyncpg.Pool, gateway_id: UUID, employee: Actor, now: datetime) -> asyncpg.Record:
    """Refuse a gateway's token from now on and return the gateway; raises GatewayNotFoundError."""
    await pool.fetchval(*QUERIES.bind("revoke_gateway", gateway_id=gateway_id, now=now, **employee.parameters()))
    return await get_gateway(pool, gateway_id)


async def list_hosts(
    pool: asyncpg.Pool, gateway_id: UUID, state: str | None, after: str | None, limit: int
) -> Sequence[asyncpg.Record]:
    """Return at most `limit` hosts of a gateway's business by name; raises GatewayNotFoundError."""
    await get_gateway(pool, gateway_id)
    return await pool.fetch(
        *QUERIES.bind("list_hosts", gateway_id=gateway_id, state=state, host_id=None, after_name=after, limit=limit)
    )


async def confirm_host(
    pool: asyncpg.Pool, gateway_id: UUID, host_id: UUID, decision: HostDecision, employee: Actor, now: datetime
) -> asyncpg.Record:
    """Make a host a device, and return it.

    Raises HostNotFoundError, AgentNotFoundError for a device of another business, DeviceTakenError, AgentHasTokenError.
    """
    async with pool.acquire() as connection, connection.transaction():
        host = await _locked(connection, gateway_id, host_id)
        if decision.agent_id is None:
            device_id = await _make_device(connection, host, decision.device_name, employee, now)
        else:
            device_id = decision.agent_id
            await _check_device(connection, host, decision, now)
        await connection.execute(
            *QUERIES.bind("decide_host", host_id=host_id, device_id=device_id, now=now, **employee.parameters())
        )
        return await _read_host(connection, gateway_id, host_id)


async def refuse_host(
    pool: asyncpg.Pool, gateway_id: UUID, host_id: UUID, employee: Actor, now: datetime
) -> asyncpg.Record:
    """Leave out a host's samples from now on, and return the host; its device stays. Raises HostNotFoundError."""
    async with pool.acquire() as connection, connection.transaction():
        await _locked(connection, gateway_id, host_id)
        await connection.execute(
            *QUERIES.bind("decide_host", host_id=host_id, device_id=None, now=now, **employee.parameters())
        )
        return await _read_host(connection, gateway_id, host_id)


async def _locked(connection: Connection, gateway_id: UUID, host_id: UUID) -> asyncpg.Record:
    row = await connection.fetchrow(*QUERIES.bind("lock_host", gateway_id=gateway_id, host_id=host_id))
    if row is None:
        raise HostNotFoundError
    return row


async def _read_host(connection: Connection, gateway_id: UUID, host_id: UUID) -> asyncpg.Record:
    row = await connection.fetchrow(
        *QUERIES.bind("list_hosts", gateway_id=gateway_id, state=None, host_id=host_id, after_name=None, limit=1)
    )
    assert row is not None, "it is locked"
    return row


async def _make_device(
    connection: Connection, host: asyncpg.Record, name: str | None, employee: Actor, now: datetime
) -> UUID:
    device_id = uuid4()
    await connection.execute(
        *QUERIES.bind(
            "make_device",
            device_id=device_id,
            business_id=host["business_id"],
            service_location_id=host["service_location_id"],
            name=name or host["host"],
            hostname=host["host"],
            metrics_interval_seconds=host["metrics_interval_seconds"],
            employee_id=employee.id,
            now=now,
        )
    )
    return device_id


async def _check_device(connection: Connection, host: asyncpg.Record, decision: HostDecision, now: datetime) -> None:
    """Refuse a device that isn't the business's, is another host, or has its own agent that is to stay."""
    device = await connection.fetchrow(
        *QUERIES.bind("device_of_business", device_id=decision.agent_id, business_id=host["business_id"])
    )
    if device is None:
        raise AgentNotFoundError
    if device["is_taken"] and host["agent_device_id"] != decision.agent_id:
        raise DeviceTakenError
    if device["has_agent"]:
        if not decision.replace_agent:
            raise AgentHasTokenError
        await connection.execute(*QUERIES.bind("drop_agent_token", device_id=decision.agent_id, now=now))
