"""Faults of the platform's tables that prevent tickets, with their consequences, for `rts-agents db check`.

Each call reads the tables again: a repaired fault disappears from the list, and the waiting tickets are opened
automatically.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

from alerts.tickets.clients import QUERIES as CLIENTS
from alerts.tickets.faults import NoTicketError
from alerts.tickets.lookups import COMPLETED, OPENED, URGENCY_PRIORITY, LookUps, read_look_ups
from alerts.tickets.numbers import QUERIES as NUMBERS
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "fit.sql")

WRITTEN_COLUMNS = {
    "service_requests": [
        "request_number", "title", "description", "client_id", "created_by_user_id", "business_id",
        "service_location_id", "urgency_level_id", "priority_level_id", "status_id", "requested_date",
        "requested_datetime",
    ],
    "service_request_history": [
        "service_request_id", "action_type", "old_value", "new_value", "changed_by_user_id", "change_reason", "notes",
    ],
    "users": [
        "email", "business_id", "role", "first_name", "last_name", "name", "email_verified", "is_primary_contact",
        "is_business_owner", "password_hash",
    ],
}  # fmt: skip
CONSEQUENCES = {
    "service_requests": "no ticket opens",
    "service_request_history": "tickets are opened without a row in the history",
    "users": "no service user can be created for a business: name a user in RTS_TICKET_CLIENT",
}


async def find_misfits(connection: Connection, client: str, now: datetime) -> list[str]:
    """Return a sentence for each fault, with its consequence. `client` is RTS_TICKET_CLIENT."""
    parts = (
        of_look_ups(await read_look_ups(connection)), of_columns(connection), of_rights(connection),
        of_numbers(connection, now), of_client(connection, client), of_businesses(connection), of_waiting(connection),
    )  # fmt: skip
    return [misfit for part in parts async for misfit in part]


async def of_look_ups(look_ups: LookUps) -> AsyncIterator[str]:
    """Look for the names of levels and of statuses."""
    for severity in URGENCY_PRIORITY:
        try:
            look_ups.levels(severity)
        except NoTicketError as lack:
            yield f"{lack.message} Alerts of severity {severity} open no ticket."
    for names, follows in ((OPENED, "No ticket opens."), (COMPLETED, "Tickets are not closed automatically.")):
        try:
            look_ups.find("status", names)
        except NoTicketError as lack:
            yield f"{lack.message} {follows}"


async def of_columns(connection: Connection) -> AsyncIterator[str]:
    """Look for columns that must be filled and that we don't fill."""
    for table, columns in WRITTEN_COLUMNS.items():
        for row in await connection.fetch(*QUERIES.bind("demanded_columns", table=table, columns=columns)):
            yield f"{table}.{row['attname']} is NOT NULL without a default, and tickets omit it: {CONSEQUENCES[table]}."


async def of_rights(connection: Connection) -> AsyncIterator[str]:
    """Look for rights that this role lacks."""
    for row in await connection.fetch(QUERIES["missing_rights"]):
        yield (
            f"This role may not {row['needed']} {row['name']}: tickets are postponed. `rts-agents db roles` prints the "
            "grants."
        )


async def of_numbers(connection: Connection, now: datetime) -> AsyncIterator[str]:
    """Look at the sequence of this year."""
    year = str(now.astimezone(UTC).year)
    if await connection.fetchval(NUMBERS["may_number_itself"]) and not await connection.fetchval(QUERIES["is_counted"]):
        return
    state = await connection.fetchrow(*NUMBERS.bind("read_numbering", year=year))
    assert state is not None
    counted = not state["any_sequence"] and state["any_ticket"]
    if state["sequence"] is None and not counted and not state["may_make"]:
        yield (
            f"The sequence service_request_number_seq_{year} is missing, and this role may not make it: no ticket "
            "opens. Its owner runs CREATE SEQUENCE and grants USAGE."
        )
    if state["sequence"] is not None:
        last = await connection.fetchval(*NUMBERS.bind("last_drawn", sequence=state["sequence"]))
        highest = await connection.fetchval(*NUMBERS.bind("highest_number", year=year))
        if highest > last:
            yield (
                f"The sequence {state['sequence']} is at {last}, the highest number is {highest}: the platform's next "
                "tickets fail until it has caught up; ours draw the numbers between."
            )


async def of_client(connection: Connection, client: str) -> AsyncIterator[str]:
    """Look for the user of RTS_TICKET_CLIENT."""
    if client and await connection.fetchval(*CLIENTS.bind("find_client", email=client)) is None:
        yield f"RTS_TICKET_CLIENT names {client}, who is not a user: no ticket is opened."


async def of_businesses(connection: Connection) -> AsyncIterator[str]:
    """Look for businesses with devices and no place for a ticket."""
    names = [row["business_name"] for row in await connection.fetch(QUERIES["without_location"])]
    if names:
        listed = ", ".join(names[:5]) + (" …" if len(names) > 5 else "")
        yield f"{len(names)} businesses with devices have no active location ({listed}): their alerts open no ticket."


async def of_waiting(connection: Connection) -> AsyncIterator[str]:
    """Yield the numbers of postponed tickets, by reason."""
    for row in await connection.fetch(QUERIES["postpone"]):
        yield f"{row['tickets']} tickets are postponed ({row['reason']}), the newest because of: {row['said']}"
