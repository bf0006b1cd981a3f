"""Requests for an erasure, and its certificate: the row of the request outlives the erased data."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

import asyncpg

from core.errors import RtsError
from db.pools import Connection
from devices.audit import WORKER, Actor
from devices.erasure.scope import QUERIES, ErasedSubject, Piece, count_subject, list_pieces


class NothingToEraseError(RtsError):
    """No data of this device, business or person is stored: check its id."""

    code: ClassVar[str] = "nothing_to_erase"
    status: ClassVar[int] = 404


class LegalHoldError(RtsError):
    """A legal hold protects this data: release the hold first, or wait for its end."""

    code: ClassVar[str] = "legal_hold"
    status: ClassVar[int] = 409


class ErasureBegunError(RtsError):
    """This erasure has begun, is done, was cancelled, or does not exist: it cannot be cancelled."""

    code: ClassVar[str] = "erasure_begun"
    status: ClassVar[int] = 409


@dataclass(frozen=True, slots=True)
class ErasureRequest:
    """Why and by whom; `at` in UTC. The audit trail has the actor, the certificate the name."""

    reason: str
    by: str
    at: datetime
    actor: Actor = WORKER


async def request_erasure(connection: Connection, subject: ErasedSubject, request: ErasureRequest) -> int:
    """Refuse the subject's devices at once and queue the erasure; returns its number, or that of one that waits.

    Raises NothingToEraseError or LegalHoldError.
    """
    async with connection.transaction():
        erasure: int | None = await connection.fetchval(
            *QUERIES.bind("find_waiting", kind=subject.kind, subject_id=subject.id)
        )
        pieces = await list_pieces(connection, subject)
        await check_holds(connection, subject, [one for piece in pieces for one in piece.device_ids])
        if erasure is None:
            if not await count_subject(connection, subject):
                raise NothingToEraseError
            devices = sum(len(piece.device_ids) for piece in pieces)
            erasure = await connection.fetchval(
                *QUERIES.bind(
                    "add_erasure",
                    kind=subject.kind,
                    subject_id=subject.id,
                    reason=request.reason,
                    now=request.at,
                    by=request.by,
                    devices=devices,
                    **request.actor.parameters(),
                )
            )
        assert erasure is not None
        await note_pieces(connection, erasure, subject, pieces, request.at)
    return erasure


async def check_holds(connection: Connection, subject: ErasedSubject, devices: Sequence[UUID]) -> None:
    """Raise LegalHoldError, with each hold and its reason, if one protects the business, a device or the person.

    Records of any device under hold may name a person, so that every hold protects persons.
    """
    holds = await connection.fetch(
        *QUERIES.bind(
            "list_holds", devices=devices, business_id=subject.business_id, is_person=subject.kind == "person"
        )
    )
    if holds:
        reasons = "; ".join(f"hold {hold['id']} on {hold['subject']}: {hold['reason']}" for hold in holds)
        raise LegalHoldError(f"A legal hold protects this data ({reasons}): nothing was erased.")


async def note_pieces(
    connection: Connection, erasure: int, subject: ErasedSubject, pieces: Sequence[Piece], now: datetime
) -> None:
    """List the devices of an erasure, and refuse every token of those that it erases wholly."""
    for piece in pieces:
        ids = list(piece.device_ids)
        starts, ends = ([time] * len(ids) for time in (piece.from_at, piece.until_at))
        await connection.execute(*QUERIES.bind("add_devices", erasure=erasure, devices=ids, starts=starts, ends=ends))
    whole: list[UUID] = [one for piece in pieces if piece.from_at is None for one in piece.device_ids]
    await connection.execute(*QUERIES.bind("refuse_devices", devices=whole, now=now))
    await connection.execute(*QUERIES.bind("refuse_tokens", devices=whole, business_id=subject.business_id))


async def cancel_erasure(connection: Connection, erasure: int, by: str, now: datetime, actor: Actor = WORKER) -> None:
    """Cancel an erasure of which nothing is deleted yet; its devices stay deleted. Raises ErasureBegunError."""
    bound = QUERIES.bind("cancel_erasure", erasure=erasure, now=now, by=by, **actor.parameters())
    if await connection.fetchval(*bound) is None:
        raise ErasureBegunError


async def list_erasures(connection: Connection) -> list[dict[str, Any]]:
    """Return the certificates of all erasures, the newest first; of one that waits without rows."""
    return [make_certificate(row) for row in await connection.fetch(QUERIES["list_erasures"])]


async def read_certificate(connection: Connection, erasure: int) -> dict[str, Any]:
    """Return the certificate of an erasure; raises NothingToEraseError for a number that does not exist."""
    row = await connection.fetchrow(*QUERIES.bind("read_certificate", erasure=erasure))
    if row is None:
        raise NothingToEraseError(f"There is no erasure {erasure}: `rts-agents erase list` has them all.")
    return make_certificate(row)


def make_certificate(row: asyncpg.Record) -> dict[str, Any]:
    """Return an erasure with its deleted rows, the result of the recount, and a SHA-256 over both; times in UTC."""
    counts = {name: json.loads(row[name]) if row[name] else {} for name in ("deleted", "recount")}
    certificate = dict(row) | counts
    body = json.dumps(certificate, sort_keys=True, default=str).encode()
    return certificate | {"sha256": hashlib.sha256(body).hexdigest()}
