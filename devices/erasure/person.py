"""Data of a person (an employee or a user of the platform) in the product's tables: counted and erased.

Records of actions stay, without the person: the name becomes "erased person", the reference null. Erase a person while
the platform still has the row, because a name without a reference may belong to another person.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Literal
from uuid import UUID

from asyncpg import Record

from db.pools import Connection
from db.sql import load_queries
from devices.erasure.statements import affected

QUERIES = load_queries(Path(__file__).with_name("person.sql"))


async def count_person(connection: Connection, person: UUID) -> Counter[str]:
    """Return how many rows name a person, by table; nothing is changed."""
    rows = await _references(connection, person, "counts")
    addresses = await _addresses(connection, person)
    bound = QUERIES.bind("count_records", person=person, addresses=addresses, words=f"employee {person}")
    return +(rows + by_table(await connection.fetch(*bound)))


async def erase_person(connection: Connection, person: UUID) -> Counter[str]:
    """Erase a person in every table, in the caller's transaction; returns rows by table."""
    rows = await _references(connection, person, "erases")
    addresses = await _addresses(connection, person)
    bound = QUERIES.bind("erase_records", person=person, addresses=addresses, words=f"employee {person}")
    return +(rows + by_table(await connection.fetch(*bound)))


async def _references(connection: Connection, person: UUID, action: Literal["counts", "erases"]) -> Counter[str]:
    rows: Counter[str] = Counter()
    for statement in await connection.fetch(QUERIES["compose_references"]):
        rows[statement["table"]] += await affected(connection, statement[action], person)
    return rows


async def _addresses(connection: Connection, person: UUID) -> list[str]:
    return [row[0] for row in await connection.fetch(*QUERIES.bind("find_addresses", person=person))]


def by_table(rows: Sequence[Record]) -> Counter[str]:
    """Return the numbers of rows by table, from records with `table` and `rows`; tables without rows are missing."""
    return Counter({row["table"]: row["rows"] for row in rows})
