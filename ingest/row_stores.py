"""The ways to store the rows of one transaction, and the counting of what is new after its COMMIT."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from db.hypertables.policies import RAW
from db.sql import load_beside
from ingest.copy_rows import COLUMNS, copy_data
from ingest.pending import Row
from ingest.transaction_groups import Part, run_data

QUERIES = load_beside(__file__)
Key = tuple[UUID, datetime]


async def copy_straight(connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
    """COPY into the hypertable; a duplicate raises UniqueViolationError, so all rows are new."""
    if rows:
        await copy_into(connection, "agent_metrics", rows)


async def copy_around_duplicates(connection: asyncpg.Connection, rows: Sequence[Row]) -> set[Key]:
    """COPY into a temporary table and merge: two to three times as slow, and duplicates change nothing."""
    if not rows:
        return set()
    await connection.execute(QUERIES["create_incoming"])
    await copy_into(connection, "agent_metrics_incoming", rows)
    return {(row[0], row[1]) for row in await connection.fetch(QUERIES["merge_incoming"])}


async def copy_parts(connection: asyncpg.Connection, rows: Sequence[Row]) -> set[Key] | None:
    """COPY into a temporary table, fill nulls of stored rows, and keep the newest sample of each device whole.

    A chunk in the columnstore would be decompressed for an update: there only whole new rows are added.
    """
    if not rows:
        return set()
    await connection.execute(QUERIES["create_incoming"])
    await copy_into(connection, "agent_metrics_incoming", rows)
    await connection.execute(QUERIES["fill_current"])
    return {
        (row[0], row[1])
        for row in await connection.fetch(*QUERIES.bind("merge_parts", columnstore_after=RAW.columnstore_after))
    }


async def copy_into(connection: asyncpg.Connection, table: str, rows: Sequence[Row]) -> None:
    """Binary COPY; sorted by time, so that each chunk is opened once."""
    in_order = sorted(rows, key=lambda row: row.collected_at)
    data = copy_data([row.encoded for row in in_order])
    await connection.copy_to_table(table, columns=COLUMNS, source=data, format="binary")


async def copy_run(run: Sequence[Part], connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
    """COPY the samples that a run holds of the uploads of `rows` into the hypertable, as `copy_straight` does."""
    good = {row.upload for row in rows}
    parts = [part for part in run if part.upload in good]
    if parts:
        await connection.copy_to_table("agent_metrics", columns=COLUMNS, source=run_data(parts), format="binary")


def record_rows(rows: Sequence[Row], new: set[Key] | None) -> None:
    """Count the rows that a committed transaction stored; a key that two uploads sent counts once."""
    for row in rows:
        if row.upload.business_id and (new is None or key_of(row) in new):
            row.upload.inserted += 1
            if new is not None:
                new.remove(key_of(row))


def record_run(run: Sequence[Part], rows: Sequence[Row], new: set[Key] | None) -> None:
    """Count the samples of a run that is stored."""
    del rows, new  # all of it is new
    for part in run:
        if part.upload.business_id:
            part.upload.inserted += part.stop - part.start


def key_of(row: Row) -> Key:
    return row.upload.agent_id, row.collected_at
