"""Ticket numbers in the platform's own way.

A default of the column or a trigger gives the number, if there is one; else the platform's sequence of the year
(`service_request_number_seq_2026`), which is created with the year's first ticket, as the platform does. On a platform
with tickets but without such a sequence it is the highest number plus one.
"""

from collections.abc import Mapping
from uuid import UUID

import asyncpg

from alerts.tickets.faults import NoTicketError
from alerts.tickets.rows import insert_row
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "numbers.sql")

TRIES = 5  # other sessions may take a number at the same time
MAX_CATCH_UP = 100_000  # numbers that may be skipped in a sequence that is behind


async def insert_request(connection: Connection, year: int, values: Mapping[str, object]) -> UUID:
    """Insert a ticket and return its id; if its number is taken, try the next one, up to TRIES times.

    Raises NoTicketError if the platform's sequence cannot be used, or the database's error if it refuses the ticket.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return await insert_once(connection, year, values)
        except asyncpg.UniqueViolationError as fault:
            if attempt == TRIES or "request_number" not in str(fault):
                raise
            await catch_up(connection, year)
    raise AssertionError("the loop returns or raises")


async def insert_once(connection: Connection, year: int, values: Mapping[str, object]) -> UUID:
    """Insert a ticket with the number that the platform gives, else with the next of its sequence."""
    if await connection.fetchval(QUERIES["may_number_itself"]):
        try:
            return await insert(connection, values)
        except asyncpg.NotNullViolationError as fault:
            if getattr(fault, "column_name", None) != "request_number":
                raise
    return await insert(connection, {**values, "request_number": await next_number(connection, year)})


async def insert(connection: Connection, values: Mapping[str, object]) -> UUID:
    """Insert a ticket; the table exists, because our schema refers to it."""
    request_id = await insert_row(connection, "service_requests", values)
    assert request_id is not None
    return request_id


async def next_number(connection: Connection, year: int) -> str:
    """Return the number of the next ticket of `year`: `SR-2026-00123`, with as many digits as the platform's have."""
    state = await connection.fetchrow(*QUERIES.bind("read_numbering", year=str(year)))
    assert state is not None
    sequence = state["sequence"]
    if sequence is None and (state["any_sequence"] or not state["any_ticket"]):
        sequence = await make_sequence(connection, year, state)
    if sequence is None:
        number = await connection.fetchval(*QUERIES.bind("highest_number", year=str(year))) + 1
    else:
        number = await draw(connection, sequence, 1)
    return f"SR-{year}-{number:0{state['digits']}}"


async def make_sequence(connection: Connection, year: int, state: asyncpg.Record) -> str:
    """Make the year's sequence for the owner of the tickets' table, as the platform does; raises NoTicketError."""
    name = f"service_request_number_seq_{year}"
    if not state["may_make"]:
        raise NoTicketError(
            "number",
            f"The sequence {name} is missing, and only the owner of service_requests may make it: "
            f"CREATE SEQUENCE {name}; GRANT USAGE ON SEQUENCE {name} TO this role. It is tried again.",
        )
    first = await connection.fetchval(*QUERIES.bind("highest_number", year=str(year))) + 1
    row = await connection.fetchrow(*QUERIES.bind("compose_sequence", name=name, start=first))
    assert row is not None
    async with connection.transaction():
        await connection.execute(row["create"])
        await connection.execute(row["give"])
    return str(row["sequence"])


async def draw(connection: Connection, sequence: str, count: int) -> int:
    """Draw `count` numbers and return the last one; raises NoTicketError if the role lacks the right."""
    try:
        async with connection.transaction():
            drawn: int = await connection.fetchval(*QUERIES.bind("draw", sequence=sequence, limit=count))
            return drawn
    except asyncpg.InsufficientPrivilegeError as fault:
        raise NoTicketError(
            "number", f"This role may not draw from the platform's {sequence}: GRANT USAGE ON SEQUENCE {sequence}."
        ) from fault


async def catch_up(connection: Connection, year: int) -> None:
    """Advance a sequence to the highest number in use by drawing: that needs only USAGE, setval() needs UPDATE."""
    state = await connection.fetchrow(*QUERIES.bind("read_numbering", year=str(year)))
    if state is None or state["sequence"] is None:
        return
    last = await connection.fetchval(*QUERIES.bind("last_drawn", sequence=state["sequence"]))
    behind = await connection.fetchval(*QUERIES.bind("highest_number", year=str(year))) - last
    if behind > MAX_CATCH_UP:
        raise NoTicketError(
            "number",
            f"The sequence {state['sequence']} is {behind:,} behind the highest ticket number: set it by setval(). "
            "It is tried again.",
        )
    if behind > 0:
        await draw(connection, state["sequence"], behind)
