"""Orders of commands: employees create, approve, cancel and read them.

A command is `pending` until its agent fetches it (`delivery.py`). One that needs approval stays pending until a second
employee has approved it; CHECK constraints of the database enforce that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec

from commands.errors import (
    CommandEndedError,
    CommandNotFoundError,
    NotAwaitingApprovalError,
    SecondEmployeeNeededError,
    TooManyCommandsError,
)
from core.errors import AgentNotFoundError, UnknownEmployeeError
from db.pools import Connection
from db.sql import load_beside
from db.transactions import in_transaction
from devices.audit import Actor
from devices.devices import visible_devices
from devices.errors import AgentInactiveError

QUERIES = load_beside(__file__, "orders.sql")


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command for a device; it expires if the device has not fetched it within `lifetime`."""

    command_type: str
    params: dict[str, Any]
    timeout_seconds: int
    lifetime: timedelta
    approval_required: bool


@dataclass(frozen=True, slots=True)
class CommandFilter:
    """Filters of a list of commands; None filters nothing. `after`: (created_at, id) of the last one of a page."""

    device_id: UUID | None = None
    command_id: UUID | None = None
    batch_id: UUID | None = None
    statuses: list[str] | None = None
    awaits_approval: bool = False
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """The limits of orders: a second employee must approve above a number of devices, counted over `window`."""

    above_devices: int
    window: timedelta
    pending_commands: int  # that may wait for one device


@dataclass(frozen=True, slots=True)
class Changed:
    """The outcome for several commands: those that were changed, and those that could not be."""

    changed: list[UUID] = field(default_factory=list)
    unchanged: list[UUID] = field(default_factory=list)


@in_transaction
async def create_commands(
    connection: Connection,
    devices: Sequence[UUID],
    command: NewCommand,
    employee: Actor,
    rule: ApprovalRule,
    now: datetime,
    batch_id: UUID | None = None,
) -> dict[UUID, UUID]:
    """Create one command for each device and return device → command; deleted and inactive devices are left out.

    Orders of one employee are serialised, so that each is in the count of devices. Raises UnknownEmployeeError.
    """
    await connection.execute(*QUERIES.bind("lock_orders_of_employee", employee_id=employee.id))
    try:
        rows = await connection.fetch(
            *QUERIES.bind(
                "create_commands",
                command_ids=[uuid4() for _ in devices],
                devices=list(devices),
                tenant=None,
                command_type=command.command_type,
                params=msgspec.json.encode(command.params).decode(),
                timeout_seconds=command.timeout_seconds,
                approval_required=command.approval_required,
                expires_at=now + command.lifetime,
                batch_id=batch_id,
                now=now,
                **employee.parameters(),
                above_devices=rule.above_devices,
                window=rule.window,
                pending_commands=rule.pending_commands,
            ),
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownEmployeeError from error
    return {row["agent_device_id"]: row["id"] for row in rows}


async def create_command(
    pool: asyncpg.Pool, device_id: UUID, command: NewCommand, employee: Actor, rule: ApprovalRule, now: datetime
) -> UUID:
    """Make a command for one device and return its id.

    Raises AgentNotFoundError, AgentInactiveError or TooManyCommandsError.
    """
    created = await create_commands(pool, [device_id], command, employee, rule, now)
    if device_id in created:
        return created[device_id]
    if await full_devices(pool, [device_id], rule):
        raise TooManyCommandsError(details={"limit": rule.pending_commands})
    raise AgentInactiveError if await visible_devices(pool, None, [device_id]) else AgentNotFoundError


async def full_devices(pool: asyncpg.Pool, devices: Sequence[UUID], rule: ApprovalRule) -> set[UUID]:
    """Return those of the devices that have the maximum number of waiting commands."""
    rows = await pool.fetch(
        *QUERIES.bind("full_devices", devices=list(devices), pending_commands=rule.pending_commands)
    )
    return {row["agent_device_id"] for row in rows}


async def read_commands(
    pool: asyncpg.Pool, tenant: UUID | None, filters: CommandFilter, limit: int, now: datetime
) -> list[asyncpg.Record]:
    """Return at most `limit` commands that `tenant` may see, newest first."""
    created_at, command_id = filters.after or (None, None)
    return await pool.fetch(
        *QUERIES.bind(
            "read_commands",
            tenant=tenant,
            device_id=filters.device_id,
            command_id=filters.command_id,
            batch_id=filters.batch_id,
            statuses=filters.statuses,
            awaits_approval=filters.awaits_approval,
            after_time=created_at,
            after_id=command_id,
            limit=limit,
            now=now,
        ),
    )


async def read_command(
    pool: asyncpg.Pool, tenant: UUID | None, device_id: UUID, command_id: UUID, now: datetime
) -> asyncpg.Record:
    """Return one command of a device; raises CommandNotFoundError."""
    rows = await read_commands(pool, tenant, CommandFilter(device_id, command_id), 1, now)
    if not rows:
        raise CommandNotFoundError
    return rows[0]


async def approve_command(
    pool: asyncpg.Pool, device_id: UUID, command_id: UUID, employee: Actor, now: datetime
) -> None:
    """Approve a command as its second employee.

    Raises CommandNotFoundError, SecondEmployeeNeededError, NotAwaitingApprovalError or UnknownEmployeeError.
    """
    rows = await _approve(pool, device_id, command_id, None, employee, now)
    if not rows:
        raise CommandNotFoundError
    if not rows[0]["awaits_approval"]:
        raise NotAwaitingApprovalError
    if not rows[0]["approved"]:
        raise SecondEmployeeNeededError


async def approve_batch(pool: asyncpg.Pool, batch_id: UUID, employee: Actor, now: datetime) -> Changed:
    """Approve the commands of a batch that await approval; raises CommandNotFoundError or SecondEmployeeNeededError."""
    rows = await _approve(pool, None, None, batch_id, employee, now)
    if not rows:
        raise CommandNotFoundError
    if any(row["awaits_approval"] and row["requested_by"] == employee.id for row in rows):
        raise SecondEmployeeNeededError
    return split(rows, "approved")


async def cancel_command(
    pool: asyncpg.Pool, device_id: UUID, command_id: UUID, employee: Actor, reason: str | None, now: datetime
) -> None:
    """Cancel a command, or ask its agent to stop it; raises CommandNotFoundError or CommandEndedError."""
    rows = await pool.fetch(
        *QUERIES.bind(
            "cancel_commands",
            tenant=None,
            device_id=device_id,
            command_id=command_id,
            batch_id=None,
            now=now,
            **employee.parameters(),
            reason=reason,
        )
    )
    if not rows:
        raise CommandNotFoundError
    if not rows[0]["open"]:
        raise CommandEndedError(f"This command has ended as {rows[0]['status']}.")


async def cancel_batch(
    pool: asyncpg.Pool, batch_id: UUID, employee: Actor, reason: str | None, now: datetime
) -> Changed:
    """Cancel the open commands of a batch; raises CommandNotFoundError."""
    rows = await pool.fetch(
        *QUERIES.bind(
            "cancel_commands",
            tenant=None,
            device_id=None,
            command_id=None,
            batch_id=batch_id,
            now=now,
            **employee.parameters(),
            reason=reason,
        )
    )
    if not rows:
        raise CommandNotFoundError
    return split(rows, "cancelled")


async def _approve(
    pool: asyncpg.Pool,
    device_id: UUID | None,
    command_id: UUID | None,
    batch_id: UUID | None,
    employee: Actor,
    now: datetime,
) -> list[asyncpg.Record]:
    try:
        return await pool.fetch(
            *QUERIES.bind(
                "approve_commands",
                tenant=None,
                device_id=device_id,
                command_id=command_id,
                batch_id=batch_id,
                now=now,
                **employee.parameters(),
            )
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownEmployeeError from error


def split(rows: Sequence[asyncpg.Record], changed: str) -> Changed:
    """Sort rows by their column `changed`."""
    return Changed([row["id"] for row in rows if row[changed]], [row["id"] for row in rows if not row[changed]])
