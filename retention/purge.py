"""The purge: deletes old records of every kind by their ages, in batches that hold no lock for long."""

import logging
from datetime import datetime, timedelta
from functools import partial

from db.isolation import Isolated
from db.pools import Connection
from devices.audit_chain import forget_trail
from retention.ages import FOR_EVER
from retention.records import QUERIES, RecordAge, read_record_ages

BATCH_ROWS = 2_000  # of one transaction
MOST_BATCHES = 100  # of one kind in one run: the rest waits for the next
KIND_SECONDS = 60.0
log = logging.getLogger(__name__)


async def purge_records(connection: Connection, now: datetime) -> dict[str, int]:
    """Delete old records; returns rows by kind. A kind that fails is left out for a while, and stops no other."""
    isolated = await Isolated(connection, "old records", now).read()
    statements = {row["name"]: row["deletes"] for row in await connection.fetch(QUERIES["compose_records"])}
    purged: dict[str, int] = {}
    for age in await read_record_ages(connection):
        purge = partial(_purge_kind, connection, age, statements[age.kind.name], now)
        rows = await isolated.attempt_parts(f"kind:{age.kind.name}", purge, KIND_SECONDS)
        if rows:
            purged[age.kind.name] = rows
            log.info("%s: %d old rows are deleted", age.kind.name, rows)
    return purged


async def note_audit_setting(connection: Connection, days: int) -> None:
    """Let RTS_AUDIT_DAYS (0: for ever) be the age of the audit trail, as long as no change of retention set another."""
    keep = timedelta(days=days) if days else FOR_EVER
    await connection.execute(*QUERIES.bind("note_setting", name="audit", keep=keep))


async def _purge_kind(connection: Connection, age: RecordAge, deletes: str | None, now: datetime) -> int:
    """Delete the old rows of one kind; returns how many."""
    if age.kind.name == "audit":
        return await _purge_audit(connection, age, now)
    assert deletes
    total = 0
    for _ in range(MOST_BATCHES):
        async with connection.transaction():
            await connection.execute(QUERIES["limit_waits"])
            rows: int = await connection.fetchval(deletes, now - age.keep, BATCH_ROWS)
            if rows:
                await connection.execute(*QUERIES.bind("note_purged", name=age.kind.name, rows=rows, now=now))
        total += rows
        if rows < BATCH_ROWS:
            break
    return total


async def _purge_audit(connection: Connection, age: RecordAge, now: datetime) -> int:
    """Delete old audit rows, whole seals only; none while a legal hold is in force, as they go in their order."""
    if await connection.fetchval(QUERIES["any_hold"]):
        return 0
    rows = await forget_trail(connection, now, age.keep)
    if rows:
        await connection.execute(*QUERIES.bind("note_purged", name="audit", rows=rows, now=now))
    return rows
