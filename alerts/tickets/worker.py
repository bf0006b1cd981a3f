"""Processes the outbox of tickets: opens, reopens and closes service requests of the platform.

Each incident is one transaction: the ticket and our record of it are committed together, so a crash never opens a
second one. A failure is shown at the alert and tried again after a minute, then two, up to an hour.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from alerts.tickets.clients import find_client, find_location
from alerts.tickets.faults import Reason, explain
from alerts.tickets.history import note_opened, note_status
from alerts.tickets.lookups import COMPLETED, OPENED, read_look_ups
from alerts.tickets.numbers import insert_request
from alerts.tickets.rows import update_row
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "worker.sql")
log = logging.getLogger(__name__)

AT_ONCE = 200
FIRST_DELAY, MAX_DELAY = timedelta(minutes=1), timedelta(hours=1)

Outcome = Literal["opened", "reopened", "kept open", "closed", "kept", "postponed", "left to another"]


async def work_tickets(
    connection: Connection, now: datetime, at_once: int = AT_ONCE, client: str = ""
) -> Counter[Outcome]:
    """Process the incidents due at `now` (UTC), on a connection outside a transaction; return counts by outcome.

    `client` is the e-mail of the user of all tickets; empty: each business has a service user.
    """
    await end_incidents(connection, now)
    done: Counter[Outcome] = Counter()
    for row in await connection.fetch(*QUERIES.bind("due_incidents", now=now, limit=at_once)):
        done[await work_safely(connection, row["id"], now, client)] += 1
    return done


async def end_incidents(connection: Connection, now: datetime) -> None:
    """Queue incidents without an open alert for closing; checked under their lock, as an alert may just have joined."""
    ended = [row["id"] for row in await connection.fetch(QUERIES["ended_incidents"])]
    if ended:
        async with connection.transaction():
            locked = [row["id"] for row in await connection.fetch(*QUERIES.bind("lock_incidents", incidents=ended))]
            await connection.execute(*QUERIES.bind("end_incidents", incidents=locked, now=now))


async def work_safely(connection: Connection, incident_id: UUID, now: datetime, client: str) -> Outcome:
    """Process one incident; a failure is postponed and does not stop the others."""
    try:
        async with connection.transaction():
            await connection.execute(QUERIES["bound_waits"])
            return await work_one(connection, incident_id, now, client)
    except Exception as fault:
        if connection.is_closed() or isinstance(fault, asyncpg.PostgresConnectionError):
            raise
        reason, note = explain(fault)
        await postpone(connection, incident_id, reason, note, str(fault)[:2000] or repr(fault), now)
    return "postponed"


async def postpone(
    connection: Connection, incident_id: UUID, reason: Reason, note: str, fault: str, now: datetime
) -> None:
    """Store why there is no ticket yet and when it is tried again."""
    async with connection.transaction():
        row = await connection.fetchrow(
            *QUERIES.bind(
                "postpone",
                incident_id=incident_id,
                now=now,
                first_delay=FIRST_DELAY,
                max_delay=MAX_DELAY,
                fault=fault,
                reason=reason,
            )
        )
        await connection.execute(*QUERIES.bind("note_alerts", incident_id=incident_id, note=note))
    if row is not None:
        log.warning(
            "ticket of incident %s, attempt %d: %s; next at %s", incident_id, row["attempts"], fault, row["due_at"]
        )


async def work_one(connection: Connection, incident_id: UUID, now: datetime, client: str) -> Outcome:
    """Process one incident by its wanted state and the state of its ticket."""
    locked = await connection.fetchrow(*QUERIES.bind("lock_due", incident_id=incident_id, now=now))
    if locked is None:
        return "left to another"
    await connection.execute(*QUERIES.bind("lock_request", ticket_id=locked["service_request_id"]))
    incident = await connection.fetchrow(*QUERIES.bind("read_incident", incident_id=incident_id))
    assert incident is not None
    if incident["wanted"] == "closed":
        return await close_ticket(connection, incident, now)
    if incident["state"] == "open":
        return await keep_ticket(connection, incident, now)
    if incident["has_ticket"]:
        return await reopen_ticket(connection, incident, now)
    return await open_ticket(connection, incident, now, client)


async def open_ticket(connection: Connection, incident: asyncpg.Record, now: datetime, client: str) -> Outcome:
    """Open a ticket, and link the alerts to it."""
    business = incident["business_id"]
    location = await find_location(connection, business, incident["service_location_id"])
    look_ups = await read_look_ups(connection)
    urgency, priority = look_ups.levels(incident["severity"])
    status = look_ups.find("status", OPENED)
    user = await find_client(connection, business, client)
    today = now.astimezone(UTC).date()
    values = {
        "title": incident["title"], "description": incident["description"], "client_id": user,
        "created_by_user_id": user, "business_id": business, "service_location_id": location,
        "urgency_level_id": urgency, "priority_level_id": priority, "status_id": status,
        "requested_date": today, "requested_datetime": now,
    }  # fmt: skip
    request = await insert_request(connection, today.year, values)
    await note_opened(connection, request, user, look_ups.name_of(status))
    await leave_open(connection, incident["id"], request, now, note=None, touched=False)
    return "opened"


async def reopen_ticket(connection: Connection, incident: asyncpg.Record, now: datetime) -> Outcome:
    """Reopen a ticket, also one that people have closed; one that they are working on is not changed."""
    request, touched, note = incident["service_request_id"], incident["is_touched"], None
    if touched:
        became = "was opened again" if incident["is_final"] else "stays as they left it"
        note = f"The alert fired again; its ticket, which somebody had changed, {became}."
    if incident["is_final"]:
        await set_status(connection, incident, OPENED, now)
    if not touched:
        await write_text(connection, incident, now)
    await leave_open(connection, incident["id"], request, now, note=note, touched=touched)
    return "reopened"


async def keep_ticket(connection: Connection, incident: asyncpg.Record, now: datetime) -> Outcome:
    """Update an open ticket: link new alerts, and update text and levels unless people changed the ticket."""
    touched = incident["is_touched"]
    if incident["has_ticket"] and not touched:
        await write_text(connection, incident, now)
    await leave_open(connection, incident["id"], incident["service_request_id"], now, note=None, touched=touched)
    return "kept open"


async def close_ticket(connection: Connection, incident: asyncpg.Record, now: datetime) -> Outcome:
    """Close a ticket that no person has changed; a changed ticket stays open."""
    stays_open = incident["has_ticket"] and incident["is_touched"]
    note = None
    if stays_open and not incident["is_final"]:
        note = "The alert has ended; its ticket stays open because somebody has changed it."
    elif incident["has_ticket"] and not incident["is_final"]:
        await set_status(connection, incident, COMPLETED, now)
    elif incident["state"] == "waiting" and not incident["has_ticket"]:
        note = "The alert ended before a ticket was opened."
    if note is not None:
        await connection.execute(*QUERIES.bind("note_alerts", incident_id=incident["id"], note=note))
    outcome: Outcome = "kept" if stays_open else "closed"
    await connection.execute(
        *QUERIES.bind(
            "note_closed", incident_id=incident["id"], state=outcome, is_touched=incident["is_touched"], now=now
        )
    )
    return outcome


async def set_status(connection: Connection, incident: asyncpg.Record, names: Sequence[str], now: datetime) -> None:
    """Set a ticket to the first existing status of `names`, with its times and its history."""
    look_ups = await read_look_ups(connection)
    status, request = look_ups.find("status", names), incident["service_request_id"]
    ended = now if names == COMPLETED else None
    values = {"status_id": status, "last_status_change": now, "completed_date": ended, "updated_at": now}
    await update_row(connection, "service_requests", request, values)
    was, becomes = look_ups.name_of(incident["status_id"]), look_ups.name_of(status)
    await note_status(connection, request, incident["created_by_user_id"], was, becomes)


async def write_text(connection: Connection, incident: asyncpg.Record, now: datetime) -> None:
    """Write the incident's text and levels to its ticket."""
    urgency, priority = (await read_look_ups(connection)).levels(incident["severity"])
    values = {
        "title": incident["title"], "description": incident["description"], "urgency_level_id": urgency,
        "priority_level_id": priority, "updated_at": now,
    }  # fmt: skip
    await update_row(connection, "service_requests", incident["service_request_id"], values)


async def leave_open(
    connection: Connection, incident_id: UUID, request: UUID | None, now: datetime, *, note: str | None, touched: bool
) -> None:
    """Link the alerts, and record the state of the ticket after this step."""
    await connection.execute(*QUERIES.bind("link_request", incident_id=incident_id, ticket_id=request, note=note))
    await connection.execute(
        *QUERIES.bind("note_open", incident_id=incident_id, ticket_id=request, is_touched=touched, now=now)
    )
