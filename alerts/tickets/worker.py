"""Works off the outbox of tickets: opens, reopens and closes what the platform's own people work on.

Each incident is one transaction: the ticket and what we know of it are committed together, so no crash opens a second
one. What fails is noted where people see it and tried again, after a minute, then two, up to an hour.
"""

import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Literal
from uuid import UUID

import asyncpg

from alerts.tickets.numbers import insert_request
from core.errors import RtsError
from db.pools import AWAY, Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "worker.sql")
log = logging.getLogger(__name__)

AT_ONCE = 200
FIRST_DELAY, LONGEST_DELAY = timedelta(minutes=1), timedelta(hours=1)
PENDING, COMPLETED = "Pending", "Completed"
URGENCY_PRIORITY = {"critical": ("Emergency", "Critical"), "warning": ("Prime", "High"), "info": ("Normal", "Medium")}

Outcome = Literal["opened", "reopened", "kept open", "closed", "kept", "put off", "left to another"]


class NoTicketError(RtsError):
    """The platform lacks what a ticket needs."""

    code: ClassVar[str] = "no_ticket"


async def work_tickets(connection: Connection, now: datetime, at_once: int = AT_ONCE) -> Counter[Outcome]:
    """Do what is due at `now` (UTC), on a connection outside a transaction; return how often what was done."""
    await end_incidents(connection, now)
    done: Counter[Outcome] = Counter()
    for row in await connection.fetch(QUERIES["due_incidents"], now, at_once):
        done[await work_safely(connection, row["id"], now)] += 1
    return done


async def end_incidents(connection: Connection, now: datetime) -> None:
    """Want closed what no open alert belongs to; looked at again under its lock, as an alert may just have joined."""
    ended = [row["id"] for row in await connection.fetch(QUERIES["ended_incidents"])]
    if ended:
        async with connection.transaction():
            locked = [row["id"] for row in await connection.fetch(QUERIES["lock_incidents"], ended)]
            await connection.execute(QUERIES["end_incidents"], locked, now)


async def work_safely(connection: Connection, incident_id: UUID, now: datetime) -> Outcome:
    """Do what one incident needs; a failure is put off and doesn't stop the others."""
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["bound_waits"])
            return await work_one(connection, incident_id, now)
    except AWAY:
        raise
    except NoTicketError as lack:
        await put_off(connection, incident_id, lack.message, lack.message, now)
    except (RtsError, asyncpg.PostgresError) as fault:
        # The driver's words may show a row: they are for the MSP, the note is for everybody who sees the alert.
        note = "The ticket system refused the ticket; it is tried again."
        await put_off(connection, incident_id, note, str(fault)[:2000] or repr(fault), now)
    return "put off"


async def put_off(connection: Connection, incident_id: UUID, note: str, fault: str, now: datetime) -> None:
    """Say why there is no ticket yet, and when it is tried again."""
    async with connection.transaction():
        row = await connection.fetchrow(QUERIES["put_off"], incident_id, now, FIRST_DELAY, LONGEST_DELAY, fault)
        await connection.execute(QUERIES["note_alerts"], incident_id, note)
    if row is not None:
        log.warning(
            "ticket of incident %s, attempt %d: %s; next at %s", incident_id, row["attempts"], fault, row["due_at"]
        )


async def work_one(connection: Connection, incident_id: UUID, now: datetime) -> Outcome:
    """Do what one incident needs by what is wanted and how its ticket stands."""
    locked = await connection.fetchrow(QUERIES["lock_due"], incident_id, now)
    if locked is None:
        return "left to another"
    await connection.execute(QUERIES["lock_request"], locked["service_request_id"])
    incident = await connection.fetchrow(QUERIES["read_incident"], incident_id)
    assert incident is not None
    if incident["wanted"] == "closed":
        return await close_ticket(connection, incident, now)
    if incident["state"] == "open":
        return await keep_ticket(connection, incident, now)
    if incident["has_ticket"]:
        return await reopen_ticket(connection, incident, now)
    return await open_ticket(connection, incident, now)


async def open_ticket(connection: Connection, incident: asyncpg.Record, now: datetime) -> Outcome:
    """Open a ticket, and link the alerts to it."""
    client, location = await find_client_and_location(connection, incident)
    urgency, priority = await find_levels(connection, incident["severity"])
    status = await find_status(connection, PENDING)
    today = now.astimezone(UTC).date()
    request = await insert_request(
        connection, today.year, incident["title"], incident["description"], client, incident["business_id"],
        location, today, urgency, priority, status,
    )  # fmt: skip
    await leave_open(connection, incident["id"], request, now, note=None, touched=False)
    return "opened"


async def find_client_and_location(connection: Connection, incident: asyncpg.Record) -> tuple[UUID, UUID]:
    """Return whose ticket it is and where; raises NoTicketError where the business has nobody or no place."""
    business = incident["business_id"]
    client = await connection.fetchval(QUERIES["find_client"], business)
    location = await connection.fetchval(QUERIES["find_location"], business, incident["service_location_id"])
    if client is None or location is None:
        lacking = " and no ".join(["user"] * (client is None) + ["location"] * (location is None))
        raise NoTicketError(f"No ticket yet: the business has no {lacking}; it is opened when there is one.")
    return client, location


async def find_levels(connection: Connection, severity: str) -> tuple[UUID, UUID]:
    """Return urgency and priority for a severity; raises NoTicketError where the platform lacks one."""
    names = URGENCY_PRIORITY[severity]
    row = await connection.fetchrow(QUERIES["find_levels"], *names)
    assert row is not None
    for kind, name in zip(("urgency", "priority"), names, strict=True):
        if row[kind] is None:
            raise NoTicketError(f"The ticket system has no {kind} {name!r}.")
    return row["urgency"], row["priority"]


async def find_status(connection: Connection, name: str) -> UUID:
    """Return a status by its name; raises NoTicketError where the platform lacks it."""
    status: UUID | None = await connection.fetchval(QUERIES["find_status"], name)
    if status is None:
        raise NoTicketError(f"The ticket system has no status {name!r}.")
    return status


async def reopen_ticket(connection: Connection, incident: asyncpg.Record, now: datetime) -> Outcome:
    """Take a ticket up again, also one that people have closed; one that they are working on stays as it is."""
    request, touched, note = incident["service_request_id"], incident["is_touched"], None
    if touched:
        became = "was opened again" if incident["is_final"] else "stays as they left it"
        note = f"The alert fired again; its ticket, which somebody had changed, {became}."
    if incident["is_final"]:
        await set_status(connection, incident, PENDING, now)
    if not touched:
        await write_text(connection, incident, now)
    await leave_open(connection, incident["id"], request, now, note=note, touched=touched)
    return "reopened"


async def keep_ticket(connection: Connection, incident: asyncpg.Record, now: datetime) -> Outcome:
    """Bring an open ticket up to date: link alerts that joined; a group's text follows, unless people changed it."""
    touched = incident["is_touched"]
    if incident["agent_device_id"] is None and incident["has_ticket"] and not touched:
        await write_text(connection, incident, now)
    await leave_open(connection, incident["id"], incident["service_request_id"], now, note=None, touched=touched)
    return "kept open"


async def close_ticket(connection: Connection, incident: asyncpg.Record, now: datetime) -> Outcome:
    """Close a ticket that nobody has touched; one that somebody has stays theirs."""
    kept = incident["has_ticket"] and incident["is_touched"]
    note = None
    if kept and not incident["is_final"]:
        note = "The alert has ended; its ticket stays open, as somebody has changed it."
    elif incident["has_ticket"] and not incident["is_final"]:
        await set_status(connection, incident, COMPLETED, now)
    elif incident["state"] == "waiting" and not incident["has_ticket"]:
        note = "The alert ended before a ticket was opened."
    if note is not None:
        await connection.execute(QUERIES["note_alerts"], incident["id"], note)
    outcome: Outcome = "kept" if kept else "closed"
    await connection.execute(QUERIES["note_closed"], incident["id"], outcome, incident["is_touched"], now)
    return outcome


async def set_status(connection: Connection, incident: asyncpg.Record, name: str, now: datetime) -> None:
    """Give a ticket a status by its name."""
    status = await find_status(connection, name)
    await connection.execute(QUERIES["set_status"], incident["service_request_id"], status)
    await mark_time(connection, incident, now)


async def write_text(connection: Connection, incident: asyncpg.Record, now: datetime) -> None:
    """Give a ticket the incident's text and levels."""
    levels = await find_levels(connection, incident["severity"])
    await connection.execute(
        QUERIES["set_text"], incident["service_request_id"], incident["title"], incident["description"], *levels
    )
    await mark_time(connection, incident, now)


async def mark_time(connection: Connection, incident: asyncpg.Record, now: datetime) -> None:
    """Say when the ticket was changed, where its table has a column for that."""
    if incident["has_time"]:
        await connection.execute(QUERIES["set_time"], incident["service_request_id"], now)


async def leave_open(
    connection: Connection, incident_id: UUID, request: UUID | None, now: datetime, *, note: str | None, touched: bool
) -> None:
    """Link the alerts, and remember how we leave the ticket."""
    await connection.execute(QUERIES["link_request"], incident_id, request, note)
    await connection.execute(QUERIES["note_open"], incident_id, request, touched, now)
