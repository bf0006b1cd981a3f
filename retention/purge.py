"""The purge: deletes old records of every kind by their ages, in batches that hold no lock for long."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import asyncpg

from db.isolation import Isolated, in_halves
from db.pools import Connection
from devices.audit_chain import forget_trail
from retention.ages import FOR_EVER
from retention.records import QUERIES, RecordAge, read_record_ages

BATCH_ROWS = 2_000  # of one transaction
MAX_BATCHES = 100  # of one kind in one run: the rest waits for the next
KIND_SECONDS = 60.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Purge:
    """The purge of one kind: its age, its statements (`records.sql`), and its failing items; `now` in UTC."""

    age: RecordAge
    deletes: str | None
    owners: str
    isolated: Isolated
    now: datetime


async def purge_records(connection: Connection, now: datetime) -> dict[str, int]:
    """Delete old records; returns rows by kind. A kind or device that fails is postponed, and stops no other."""
    isolated = await Isolated(connection, "old records", now).read()
    statements = {row["name"]: row for row in await connection.fetch(QUERIES["compose_records"])}
    purged: dict[str, int] = {}
    for age in await read_record_ages(connection):
        name = age.kind.name
        kind = Purge(age, statements[name]["deletes"], statements[name]["owners"], isolated, now)
        rows = await isolated.attempt_parts(f"kind:{name}", partial(_purge_kind, connection, kind), KIND_SECONDS)
        if rows:
            purged[name] = rows
            log.info("%s: %d old rows are deleted", name, rows)
    await isolated.forget_others()
    return purged


async def note_audit_setting(connection: Connection, days: int) -> None:
    """Let RTS_AUDIT_DAYS (0: for ever) be the age of the audit trail, as long as no change of retention set another."""
    keep = timedelta(days=days) if days else FOR_EVER
    await connection.execute(*QUERIES.bind("note_setting", name="audit", keep=keep))


async def _purge_kind(connection: Connection, kind: Purge) -> int:
    """Delete the old rows of one kind; returns how many."""
    if kind.deletes is None:
        return await _purge_audit(connection, kind.age, kind.now)
    total = 0
    for _ in range(MAX_BATCHES):
        rows, is_last = await _purge_batch(connection, kind)
        total += rows
        if is_last:
            break
    return total


async def _purge_batch(connection: Connection, kind: Purge) -> tuple[int, bool]:
    """Delete a batch, or device by device if it fails; returns the rows, and whether it was the last one."""
    try:
        async with connection.transaction():
            rows = await _delete(connection, kind, None)
        return rows, rows < BATCH_ROWS
    except asyncpg.PostgresError as error:
        if connection.is_closed():
            raise
        log.warning("%s: a batch failed, its rows are deleted by device: %s", kind.age.kind.name, error)
    name, deleted = kind.age.kind.name, 0

    async def delete(owners: Sequence[str]) -> None:
        nonlocal deleted
        deleted += await _delete(connection, kind, owners)

    owner_rows = await connection.fetch(
        kind.owners, kind.now - kind.age.keep, BATCH_ROWS, kind.isolated.postponed_ids(name)
    )
    for owner, reason in await in_halves(connection, [row["owner"] for row in owner_rows], delete):
        await kind.isolated.note(f"{name}:{owner}", reason)
    return deleted, not owner_rows


async def _delete(connection: Connection, kind: Purge, owners: Sequence[str] | None) -> int:
    """Delete a batch of some owners' rows, or of all but the postponed ones'; returns how many. In a transaction."""
    await connection.execute(QUERIES["limit_waits"])
    assert kind.deletes
    name, before = kind.age.kind.name, kind.now - kind.age.keep
    rows: int = await connection.fetchval(
        kind.deletes, before, BATCH_ROWS, owners, kind.isolated.postponed_ids(name)
    )  # fmt: skip
    if rows:
        await connection.execute(*QUERIES.bind("note_purged", name=name, rows=rows, now=kind.now))
    return rows


async def _purge_audit(connection: Connection, age: RecordAge, now: datetime) -> int:
    """Delete old audit rows, whole seals only; none while a legal hold is in force, as they go in their order."""
    if await connection.fetchval(QUERIES["any_hold"]):
        return 0
    rows = await forget_trail(connection, now, age.keep)
    if rows:
        await connection.execute(*QUERIES.bind("note_purged", name="audit", rows=rows, now=now))
    return rows
