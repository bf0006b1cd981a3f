"""Delivery of commands: leased to the agent, started, ended; expired by the worker if the agent does not answer.

A lease is a delivery that counts until its end: `FOR UPDATE SKIP LOCKED` gives each command to one poller only, and a
command without a report of its start is delivered again. An agent therefore stores the ids of started commands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal
from uuid import UUID

import asyncpg
import msgspec

from commands.errors import CommandEndedError, CommandNotDeliveredError, CommandNotFoundError
from db.isolation import due_apart
from db.pools import Connection
from db.sql import load_beside
from devices.audit import Actor

QUERIES = load_beside(__file__, "delivery.sql")

GRACE = timedelta(seconds=60)  # on top of a command's own time-out, for the way there and back
MAX_DELIVERIES = 3
COMMANDS_PER_POLL = 20
LEASED_AT_ONCE = 500  # to the sockets of one process; a full batch wakes it for the next
SETTLED_AT_ONCE = 1000
# The stored parts of an output: its beginning and a longer part of its end, which usually has the errors.
KEPT_HEAD, KEPT_TAIL = 16_384, 49_152


@dataclass(frozen=True, slots=True)
class CommandOutcome:
    """The result of a command on the device; times by the device's clock, None if it sends none."""

    status: Literal["completed", "failed", "timeout", "cancelled"]
    exit_code: int | None
    stdout: str | None
    stderr: str | None
    error_message: str | None
    started_at: datetime | None
    completed_at: datetime | None


async def lease_commands(
    pool: asyncpg.Pool, devices: Sequence[UUID], now: datetime, way: Literal["poll", "live"]
) -> list[asyncpg.Record]:
    """Lease the waiting commands of these devices: until a lease ends, its command is given to one caller only."""
    most = COMMANDS_PER_POLL if len(devices) == 1 else LEASED_AT_ONCE
    return await pool.fetch(
        *QUERIES.bind("lease_commands", devices=list(devices), now=now, grace=GRACE, limit=most, delivered_by=way)
    )


def handed_out(row: asyncpg.Record) -> dict[str, Any]:
    """Return a leased command in the form that agents receive, over HTTP and over the live channel."""
    return {
        "command_id": str(row["id"]), "command_type": row["command_type"],
        "params": msgspec.json.decode(row["command_params"]), "timeout_seconds": row["timeout_seconds"],
    }  # fmt: skip


async def release_commands(pool: asyncpg.Pool, device_id: UUID, commands: Sequence[UUID], now: datetime) -> None:
    """End the leases of commands sent to a socket that broke before its agent began: they are delivered again."""
    await pool.execute(*QUERIES.bind("release_commands", device_id=device_id, commands=list(commands), now=now))


async def list_cancellations(pool: asyncpg.Pool, devices: Sequence[UUID]) -> list[asyncpg.Record]:
    """Return (id, agent_device_id) of the commands that these devices have and should stop."""
    return await pool.fetch(*QUERIES.bind("list_cancellations", devices=list(devices)))


async def start_command(
    pool: asyncpg.Pool,
    agent: Actor,
    command_id: UUID,
    now: datetime,
    percent: float | None = None,
    message: str | None = None,
) -> bool:
    """Record the start of a command or its progress; return False if the agent should stop.

    Raises CommandNotFoundError, CommandNotDeliveredError, or CommandEndedError: then it must not be run.
    """
    row = await pool.fetchrow(
        *QUERIES.bind(
            "start_command",
            command_id=command_id,
            device_id=agent.id,
            now=now,
            grace=GRACE,
            percent=percent,
            message=message,
            **agent.parameters(),
        )
    )
    check_delivered(row)
    assert row is not None
    if not row["may_run"] and row["status"] != "executing":
        raise CommandEndedError(f"Do not run this command: it is {row['status']}, or is to be cancelled.")
    return bool(row["may_run"])


async def finish_command(
    pool: asyncpg.Pool, agent: Actor, command_id: UUID, result: CommandOutcome, now: datetime
) -> bool:
    """Record a result; return False if the command has one already, which stays.

    Raises CommandNotFoundError or CommandNotDeliveredError.
    """
    stdout, stdout_cut = keep(result.stdout)
    stderr, stderr_cut = keep(result.stderr)
    row = await pool.fetchrow(
        *QUERIES.bind(
            "finish_command",
            command_id=command_id,
            device_id=agent.id,
            now=now,
            status=result.status,
            exit_code=result.exit_code,
            stdout=stdout,
            stdout_cut=stdout_cut,
            stderr=stderr,
            stderr_cut=stderr_cut,
            error_message=result.error_message,
            started_at=result.started_at,
            completed_at=result.completed_at,
            **agent.parameters(),
        ),
    )
    check_delivered(row)
    assert row is not None
    return bool(row["recorded"])


def check_delivered(row: asyncpg.Record | None) -> None:
    """Raise CommandNotFoundError or CommandNotDeliveredError unless the command was handed to its agent before."""
    if row is None:
        raise CommandNotFoundError
    if row["attempts"] == 0:
        raise CommandNotDeliveredError


async def settle_due_commands(connection: Connection, now: datetime) -> None:
    """Expire, deliver again or time out all due commands; several workers share the work."""
    settled = SETTLED_AT_ONCE
    find = partial(QUERIES.bind, "due_commands", now=now, limit=SETTLED_AT_ONCE)

    async def settle(only: Sequence[UUID] | None) -> int:
        select = QUERIES.bind(
            "settle_due_commands", now=now, max_deliveries=MAX_DELIVERIES, limit=SETTLED_AT_ONCE, only=only
        )
        return int(await connection.fetchval(*select))

    while settled == SETTLED_AT_ONCE:
        settled = await due_apart(connection, "due commands", now, settle, find)


def keep(output: str | None) -> tuple[str | None, bool]:
    """Return the stored part of an output and whether it was cut: its first 16 Ki and last 48 Ki characters.

    Characters that PostgreSQL can't hold (U+0000, halves of surrogate pairs) are replaced by U+FFFD.
    """
    if output is None:
        return None, False
    text = output.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if len(text) <= KEPT_HEAD + KEPT_TAIL:
        return text, False
    omitted = len(text) - KEPT_HEAD - KEPT_TAIL
    note = f"\n[… {omitted} characters cut out of {len(text)} …]\n"
    return text[:KEPT_HEAD] + note + text[-KEPT_TAIL:], True
