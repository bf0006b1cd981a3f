"""The chain of hashes over the audit trail: rows are sealed in batches, so that no change waits for another's hash.

A seal covers the hashes of its rows and the previous seal. A change of a row would require rewriting every later seal.
The worker logs each newest hash: keep its log on another machine and compare.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from db.pools import DAMAGED, Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "audit_chain.sql")

SEALED_AT_ONCE = 1000  # rows of one seal
FORGOTTEN_AT_ONCE = 10  # seals of one transaction
VERIFIED_AT_ONCE = 20  # seals of one query
SHOWN_IDS = 5  # of the rows that differ, in one sentence


@dataclass(frozen=True, slots=True)
class Head:
    """The newest seal: the last row that it covers and the hash in hex, both null before the first seal."""

    last_id: int | None
    hash: str | None
    unsealed: int  # rows that wait for a seal


async def seal_trail(connection: Connection) -> int:
    """Seal unsealed rows; return their number. Rows that are being written are left to the next call."""
    sealed = 0
    while done := await connection.fetchval(*QUERIES.bind("seal", limit=SEALED_AT_ONCE)):
        sealed += done
        if done < SEALED_AT_ONCE:
            break
    return sealed


async def forget_trail(connection: Connection, now: datetime, keep: timedelta) -> int:
    """Delete rows that are older than `keep` (30 days at least), whole seals only; return how many."""
    deleted = 0
    while done := await connection.fetchval(*QUERIES.bind("forget", before=now - keep, limit=FORGOTTEN_AT_ONCE)):
        deleted += done
    return deleted


async def read_head(connection: Connection) -> Head:
    """Return the newest seal."""
    row = await connection.fetchrow(QUERIES["head"])
    assert row is not None
    return Head(row["last_id"], row["hash"], row["unsealed"])


async def find_breaks(connection: Connection, newest: int | None = None) -> AsyncIterator[str]:
    """Yield a sentence for each place where the trail differs from its seals; `newest` seals only, or all.

    A seal whose rows can't be read has its own sentence, and the others are compared.
    """
    after = newest and await connection.fetchval(*QUERIES.bind("first_of_newest", newest=newest))
    limit = VERIFIED_AT_ONCE
    while True:
        one = 1 if after else 0  # the first seal that is read is compared only where the chain begins with it
        try:
            seals = await connection.fetch(*QUERIES.bind("verify", after=after, limit=limit + 1))
        except DAMAGED as error:
            if limit > one:
                limit = one
                continue
            after, limit = await connection.fetchval(*QUERIES.bind("next_seal", after=after)), VERIFIED_AT_ONCE
            if after is None:
                return
            yield f"Seal {after} of the audit trail cannot be compared with its rows: {error}."
            continue
        for seal in seals:
            for sentence in find_seal_faults(dict(seal)):
                yield sentence
        if len(seals) <= limit:
            return
        after = seals[-1]["id"]


async def find_lost_head(connection: Connection, last_id: int, expected: str) -> str | None:
    """Return a sentence unless the chain had the hash `expected` (hex) at row `last_id`."""
    head = await connection.fetchval(*QUERIES.bind("hash_at", last_id=last_id))
    if head == expected.lower():
        return None
    if head is None:
        return f"No seal of the audit trail ends at row {last_id}: the chain was cut off or written anew."
    return f"The audit trail's hash at row {last_id} is {head}, not {expected}: the chain was written anew."


def find_seal_faults(seal: dict[str, object]) -> list[str]:
    """Return a sentence for each fault of one seal."""
    sentences = (
        [] if seal["is_linked"] else [f"Seal {seal['id']} of the audit trail does not follow from the seal before."]
    )
    for name in ("missing", "altered", "added"):
        ids = seal[name]
        assert isinstance(ids, list)
        if ids:
            listed_ids = ", ".join(map(str, ids[:SHOWN_IDS])) + (" …" if len(ids) > SHOWN_IDS else "")
            sentences.append(f"Audit rows {name} since seal {seal['id']} was made: {listed_ids} ({len(ids)}).")
    return sentences
