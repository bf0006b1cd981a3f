"""The tables of an erasure: measurements at every level, and tables that refer to a device, a business or a person."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from db.hypertables.policies import LEVELS, SERIES_LEVELS
from db.pools import Connection
from db.sql import load_queries
from devices.erasure.person import count_person
from devices.erasure.statements import affected

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
STORED = (*LEVELS, *SERIES_LEVELS)
RELATIONS = [level.relation for level in STORED]
KEYS = ["agent_device_id"] * len(LEVELS) + ["series_id"] * len(SERIES_LEVELS)
TIMES = ["bucket" if level.bucket else "collected_at" for level in STORED]
BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)
BUCKETS = [level.bucket or timedelta() for level in STORED]

Kind = Literal["device", "business", "person", "orphans"]


@dataclass(frozen=True, slots=True)
class ErasedSubject:
    """What to erase: a device, a business, a person's name, or (`orphans`, no id) measurements of gone devices."""

    kind: Kind
    id: UUID | None = None

    @property
    def device_id(self) -> UUID | None:
        """The id of the device; None if the subject is not a device."""
        return self.id if self.kind == "device" else None

    @property
    def business_id(self) -> UUID | None:
        """The id of the business; None if the subject is not a business."""
        return self.id if self.kind == "business" else None

    @property
    def person_id(self) -> UUID | None:
        """The id of the employee or user; None if the subject is not a person."""
        return self.id if self.kind == "person" else None


@dataclass(frozen=True, slots=True)
class Piece:
    """Devices with their series, wholly or in [from_at, until_at) (UTC)."""

    device_ids: Sequence[UUID]
    series_ids: Sequence[int]
    from_at: datetime | None = None
    until_at: datetime | None = None


async def list_pieces(connection: Connection, subject: ErasedSubject) -> list[Piece]:
    """Return the pieces of a subject: one of whole devices, and one for each period of a device that has moved."""
    if subject.kind == "person":
        return []
    whole = await connection.fetch(
        *QUERIES.bind("list_whole", device_id=subject.device_id, business_id=subject.business_id)
    )
    pieces = []
    if whole:
        series = [series_id for row in whole for series_id in row["series_ids"]]
        pieces.append(Piece([row["id"] for row in whole], series))
    if subject.kind == "business":
        periods = await connection.fetch(*QUERIES.bind("list_periods", business_id=subject.id))
        pieces += [Piece([row["id"]], row["series_ids"], row["from_at"], row["until_at"]) for row in periods]
    return pieces


async def on_levels(connection: Connection, piece: Piece, action: Literal["counts", "deletes"]) -> Counter[str]:
    """Count or delete the rows of a piece at every level; returns rows by relation."""
    if piece.from_at is None:
        statements = await connection.fetch(*QUERIES.bind("compose_levels", relations=RELATIONS, keys=KEYS))
        times: tuple[Any, ...] = ()
    else:
        statements = await connection.fetch(
            *QUERIES.bind("compose_periods", relations=RELATIONS, keys=KEYS, times=TIMES, buckets=BUCKETS)
        )
        times = (piece.from_at, piece.until_at)
    rows: Counter[str] = Counter()
    for statement in statements:
        ids = piece.series_ids if statement["key"] == "series_id" else piece.device_ids
        if ids:
            rows[statement["relation"]] += await affected(connection, statement[action], ids, *times)
    return rows


async def before_times(
    connection: Connection,
    until: Mapping[str, datetime],
    device_ids: Sequence[UUID],
    series_ids: Sequence[int],
    action: Literal["counts", "deletes"],
) -> Counter[str]:
    """Count or delete rows of devices and series by level name, each before its time in `until` (UTC, a midnight).

    Returns rows by relation. Series ids and device ids are literal: TimescaleDB then reads their rows alone.
    """
    places = [place for place, level in enumerate(STORED) if level.name in until]
    relations, keys, times, buckets = (
        [columns[place] for place in places] for columns in (RELATIONS, KEYS, TIMES, BUCKETS)
    )
    statements = await connection.fetch(
        *QUERIES.bind("compose_periods", relations=relations, keys=keys, times=times, buckets=buckets)
    )
    names = {level.relation: level.name for level in STORED}
    rows: Counter[str] = Counter()
    for statement in statements:
        ids = series_ids if statement["key"] == "series_id" else device_ids
        if ids:
            end = until[names[statement["relation"]]]
            rows[statement["relation"]] += await affected(connection, statement[action], ids, BEGINNING, end)
    return rows


async def count_tables(connection: Connection, parent: str, ids: Sequence[UUID]) -> Counter[str]:
    """Return how many rows of our tables go with these rows of `agent_devices` or `businesses`."""
    rows: Counter[str] = Counter()
    for statement in await connection.fetch(*QUERIES.bind("compose_tables", parent=parent)):
        rows[statement["table"]] += await affected(connection, statement["counts"], ids)
    return rows


async def count_subject(connection: Connection, subject: ErasedSubject) -> Counter[str]:
    """Return how many rows an erasure would delete now, by level and table; nothing is changed."""
    rows = await count_person(connection, subject.person_id) if subject.person_id else Counter[str]()
    for piece in await list_pieces(connection, subject):
        rows += await on_levels(connection, piece, "counts")
        if subject.kind == "device":
            rows += await count_tables(connection, "agent_devices", piece.device_ids)
    if subject.kind == "business" and subject.id:
        rows += await count_tables(connection, "businesses", [subject.id])
    return +rows


async def count_audit(connection: Connection, subject: ErasedSubject) -> int:
    """Return how many rows of the audit trail name the subject or its devices; an erasure leaves them."""
    devices = [one for piece in await list_pieces(connection, subject) for one in piece.device_ids]
    count: int = await connection.fetchval(
        *QUERIES.bind("count_audit", devices=devices, business_id=subject.business_id, person_id=subject.person_id)
    )
    return count
