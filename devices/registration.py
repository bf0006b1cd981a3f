"""Registration of devices: an employee creates a one-use token, the agent spends it and gets its own token.

A token may be for an existing device, which keeps its id, name and history and gets a new token.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import asyncpg

from auth.tokens import Tokens, new_registration_token, token_hash
from core.errors import AgentNotFoundError, UnknownBusinessError, UnknownEmployeeError, UnknownLocationError
from db.pools import Connection
from db.sql import load_beside
from devices.audit import Actor
from devices.errors import RegistrationRefusedError

QUERIES = load_beside(__file__)


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """The settings of a registration token; `metrics_interval_seconds` is the upload interval of its device.

    With `device_id` it is for an existing device, which keeps its name, location and interval.
    """

    business_id: UUID
    service_location_id: UUID | None
    device_name: str | None
    lifetime: timedelta
    metrics_interval_seconds: int
    device_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class SystemInfo:
    """An agent's data about its device at registration."""

    hostname: str | None = None
    os_type: str | None = None
    os_version: str | None = None
    os_architecture: str | None = None
    device_type: str | None = None
    ip_address: str | None = None
    mac_address: str | None = None
    cpu_model: str | None = None
    total_memory_gb: float | None = None
    total_disk_gb: float | None = None
    agent_version: str | None = None


@dataclass(frozen=True, slots=True)
class Registered:
    """A device and its new token; the token is shown once and never stored."""

    agent_id: UUID
    agent_token: str
    business_id: UUID
    service_location_id: UUID | None
    metrics_interval_seconds: int


async def create_registration_token(
    pool: asyncpg.Pool, request: TokenRequest, employee: Actor, now: datetime
) -> tuple[UUID, str, datetime]:
    """Return the id of a new one-use token, the token itself and its expiry (UTC).

    Raises UnknownBusinessError, UnknownLocationError, UnknownEmployeeError, or AgentNotFoundError for a device that
    isn't this business's.
    """
    token, expires_at = new_registration_token(), now + request.lifetime
    async with pool.acquire() as connection:
        await _check_location(connection, request)
        try:
            row = await connection.fetchval(
                *QUERIES.bind(
                    "create_registration_token",
                    token_hash=token_hash(token),
                    business_id=request.business_id,
                    service_location_id=request.service_location_id,
                    device_name=request.device_name,
                    metrics_interval_seconds=request.metrics_interval_seconds,
                    expires_at=expires_at,
                    device_id=request.device_id,
                    now=now,
                    **employee.parameters(),
                ),
            )
        except asyncpg.ForeignKeyViolationError as error:
            refused = UnknownEmployeeError if "created_by" in str(error.constraint_name) else UnknownBusinessError
            raise refused from error
    if row is None:
        raise AgentNotFoundError
    return row, token, expires_at


async def _check_location(connection: Connection, request: TokenRequest) -> None:
    if request.service_location_id and not await connection.fetchval(
        *QUERIES.bind(
            "location_in_business", service_location_id=request.service_location_id, business_id=request.business_id
        )
    ):
        raise UnknownLocationError


async def register(
    pool: asyncpg.Pool,
    tokens: Tokens,
    registration_token: str,
    system: SystemInfo,
    now: datetime,
    source: str | None = None,
) -> Registered:
    """Spend a registration token and return the device; raises RegistrationRefusedError.

    `source` is the address of the call, for the audit trail.
    """
    spent = token_hash(registration_token)
    # The device of a token never changes, so it may be read before the statement that lets only one caller spend it.
    agent_id = await pool.fetchval(*QUERIES.bind("device_of_token", token_hash=spent)) or uuid4()
    agent_token = tokens.issue_agent(agent_id, now)
    row = await pool.fetchrow(
        *QUERIES.bind(
            "register_device",
            registration_hash=spent,
            now=now,
            device_id=agent_id,
            token_hash=token_hash(agent_token),
            source=source,
            **asdict(system),
        )
    )
    if row is None:
        raise RegistrationRefusedError
    return Registered(
        agent_id, agent_token, row["business_id"], row["service_location_id"], row["metrics_interval_seconds"]
    )
