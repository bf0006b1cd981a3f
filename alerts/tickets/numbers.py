"""Tickets and their numbers: the platform's own where it numbers them, else the year's next.

A default of the column, or a trigger, knows how the platform counts; counting beside it would take numbers that it
gives out later. A trigger may be there for something else: then the number is missing, and it is counted here.
"""

from uuid import UUID

import asyncpg

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "numbers.sql")

TRIES = 5  # others count on at the same time


async def insert_request(connection: Connection, year: int, *values: object) -> UUID:
    """Insert a ticket and return its id; where another has just taken its number, under the next.

    `values`: title, description, client, business, site, date, urgency, priority, status. Raises what the platform
    refuses it with.
    """
    for attempt in range(1, TRIES + 1):
        try:
            return await insert_once(connection, year, *values)
        except asyncpg.UniqueViolationError:
            if attempt == TRIES:
                raise
    raise AssertionError("the loop returns or raises")


async def insert_once(connection: Connection, year: int, *values: object) -> UUID:
    """Insert a ticket under the platform's number, or, where it gives none, under ours."""
    if await connection.fetchval(QUERIES["may_number_itself"]):
        try:
            return await insert(connection, "insert_request", *values)
        except asyncpg.NotNullViolationError as fault:
            if getattr(fault, "column_name", None) != "request_number":
                raise
    return await insert(connection, "insert_numbered", *values, str(year))


async def insert(connection: Connection, query: str, *values: object) -> UUID:
    """Run an insert in a savepoint: what it fails with leaves the transaction usable."""
    async with connection.transaction():
        request: UUID = await connection.fetchval(QUERIES[query], *values)
        return request
