"""Runs an erasure in batches of devices, each in a transaction, so that it can be interrupted and continued.

Every level is deleted in one transaction, with TimescaleDB's invalidation log switched off, so the rollups of other
devices are not computed again. A refresh that ran at the same time may write a deleted row again, so the rows are
counted again after `PROOF_AFTER`, and deleted again if there are any.
"""

import json
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from itertools import groupby

from asyncpg import Record

from db.isolation import Isolated
from db.pools import Connection
from devices.erasure.person import erase_person
from devices.erasure.requests import LegalHoldError, check_holds, note_pieces
from devices.erasure.scope import QUERIES, RELATIONS, ErasedSubject, Piece, count_tables, list_pieces, on_levels

DEVICES_AT_ONCE = 20
PROOF_AFTER = timedelta(hours=1)
ERASURE_SECONDS = 900.0  # in one call; the next call continues
Step = Callable[[Connection, int, datetime], Awaitable[bool]]
log = logging.getLogger(__name__)


async def run_waiting(connection: Connection, now: datetime) -> list[int]:
    """Run every waiting erasure; returns the numbers of those that are done.

    The next call continues an interrupted one. An erasure that fails or takes longer than ERASURE_SECONDS does not stop
    the others.
    """
    waiting = [row["id"] for row in await connection.fetch(QUERIES["list_waiting"])]
    isolated = await Isolated(connection, "erasures", now).read()
    return [number for number in waiting if await _apart(connection, isolated, number, _erase_unless_held, now)]


async def _apart(connection: Connection, isolated: Isolated, number: int, do: Step, now: datetime) -> bool:
    """Run one step of one erasure, unless its last failure is recent; a failure is noted and not raised."""
    step = partial(do, connection, number, now)
    return await isolated.attempt_parts(f"erasure:{number}", step, ERASURE_SECONDS) or False


async def _erase_unless_held(connection: Connection, erasure: int, now: datetime) -> bool:
    try:
        return await erase(connection, erasure, now)
    except LegalHoldError as error:
        log.warning("erasure %d waits: %s", erasure, error.message)
        return False


async def erase(connection: Connection, erasure: int, now: datetime) -> bool:
    """Delete everything of an erasure; False where another process works on it.

    Raises LegalHoldError where a hold was placed after the request.
    """
    while True:
        async with connection.transaction():
            row = await connection.fetchrow(*QUERIES.bind("lock_erasure", erasure=erasure))
            if row is None:
                return False
            subject = ErasedSubject(row["subject_kind"], row["subject_id"])
            remaining = [
                one["agent_device_id"]
                for one in await connection.fetch(*QUERIES.bind("list_unfinished", erasure=erasure))
            ]
            await check_holds(connection, subject, remaining)
            await connection.execute(QUERIES["spare_the_others"])
            deleted = await _erase_some(connection, erasure, now)
            if deleted is None and await _newcomers(connection, erasure, subject, now):
                continue
            if deleted is None:
                deleted = await _erase_business(connection, subject)
                deleted += await _erase_named(connection, subject)
                await _note_deleted(connection, erasure, deleted)
                await connection.execute(*QUERIES.bind("end_erasure", erasure=erasure, now=now))
                return True
            await _note_deleted(connection, erasure, deleted)


async def _erase_some(connection: Connection, erasure: int, now: datetime) -> Counter[str] | None:
    """Delete the next devices; returns rows by table, None where none is left."""
    batch = await connection.fetch(*QUERIES.bind("take_devices", erasure=erasure, limit=DEVICES_AT_ONCE))
    if not batch:
        return None
    deleted: Counter[str] = Counter()
    for piece in _pieces_of(batch):
        deleted += await on_levels(connection, piece, "deletes")
    await connection.execute(*QUERIES.bind("note_devices", items=[row["id"] for row in batch], now=now))
    whole = [row["agent_device_id"] for row in batch if row["from_at"] is None]
    deleted += await count_tables(connection, "agent_devices", whole)
    await connection.execute(*QUERIES.bind("forget_faults", devices=whole))
    await connection.execute(*QUERIES.bind("delete_devices", devices=whole))
    return deleted


def _pieces_of(rows: list[Record]) -> Iterator[Piece]:
    """Yield pieces of one time each; `rows` are in the order of their times."""
    for (start, end), same in groupby(rows, key=lambda row: (row["from_at"], row["until_at"])):
        group = list(same)
        series = [series_id for row in group for series_id in row["series_ids"]]
        yield Piece([row["agent_device_id"] for row in group], series, start, end)


async def _newcomers(connection: Connection, erasure: int, subject: ErasedSubject, now: datetime) -> bool:
    """Add devices that the business got since the request to the erasure; return whether there are any."""
    pieces = await list_pieces(connection, subject) if subject.kind == "business" else []
    whole = [piece for piece in pieces if piece.from_at is None]
    await note_pieces(connection, erasure, subject, whole, now)
    return bool(whole)


async def _erase_business(connection: Connection, subject: ErasedSubject) -> Counter[str]:
    """Delete the rows of the business itself: rules, windows, views, and rows that moved devices left behind."""
    if subject.kind != "business" or subject.id is None:
        return Counter()
    deleted = await count_tables(connection, "businesses", [subject.id])
    for row in await connection.fetch(*QUERIES.bind("compose_deletes", parent="businesses")):
        await connection.execute(row["deletes"], [subject.id])
    return deleted


async def _erase_named(connection: Connection, subject: ErasedSubject) -> Counter[str]:
    """Erase a person's name in our tables; nothing for another subject."""
    return await erase_person(connection, subject.person_id) if subject.person_id else Counter()


async def _note_deleted(connection: Connection, erasure: int, deleted: Counter[str]) -> None:
    await connection.execute(*QUERIES.bind("note_deleted", erasure=erasure, rows=json.dumps(+deleted)))


async def prove_due(connection: Connection, now: datetime, after: timedelta = PROOF_AFTER) -> list[int]:
    """Recount erasures that were done more than `after` ago, and delete rows that came back.

    Returns the numbers of the erasures that are proven by it.
    """
    unproven = [row["id"] for row in await connection.fetch(*QUERIES.bind("list_unproven", until=now - after))]
    isolated = await Isolated(connection, "proofs of erasures", now).read()
    return [number for number in unproven if await _apart(connection, isolated, number, _is_proven, now)]


async def _is_proven(connection: Connection, erasure: int, now: datetime) -> bool:
    remaining = await recount(connection, erasure, now)
    if remaining:
        log.warning("erasure %d: rows came back and were deleted again: %s", erasure, dict(remaining))
    return not remaining


async def recount(connection: Connection, erasure: int, now: datetime) -> Counter[str]:
    """Count and delete the remaining rows of an erasure's devices, without proving it. Returns rows by table."""
    remaining: Counter[str] = Counter()
    async with connection.transaction():
        await connection.execute(QUERIES["spare_the_others"])
        rows = await connection.fetch(*QUERIES.bind("list_erased", erasure=erasure))
        for piece in _pieces_of(rows):
            remaining += await on_levels(connection, piece, "deletes")
        subject = await connection.fetchrow(*QUERIES.bind("read_subject", erasure=erasure))
        assert subject is not None
        remaining += await _erase_named(connection, ErasedSubject(*subject))
        whole = [row["agent_device_id"] for row in rows if row["from_at"] is None]
        counted = (
            dict.fromkeys(RELATIONS, 0) | dict(await count_tables(connection, "agent_devices", whole)) | dict(remaining)
        )
        remaining = +Counter(counted)
        await connection.execute(
            *QUERIES.bind("note_recount", erasure=erasure, rows=json.dumps(counted), now=now, is_proof=not remaining)
        )
    return remaining
