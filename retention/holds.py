"""Legal holds: data of a device or a business that must not be dropped, regardless of its retention.

Chunks hold data of all tenants together, so a hold takes the retention policies of every level out of the schedule. The
worker then drops only chunks that end before the first data of a held device. A hold therefore needs disk space, and
loses nothing while the worker is down.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, ClassVar, Literal
from uuid import UUID

from core.errors import RtsError
from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside
from retention.changes import Operator
from rollups.drift import QUERIES as DRIFT
from rollups.drift import StorageState, read_storage
from rollups.repair import FIRST_RUN_AFTER

QUERIES = load_beside(__file__, "holds.sql")
log = logging.getLogger(__name__)

TASK = "legal holds"  # of the worker, in agent_isolated_faults
DROP_SECONDS = 120.0  # of one level


class HoldSubjectNotFoundError(RtsError):
    """There is no device or business with this id, and no data of it."""

    code: ClassVar[str] = "hold_subject_not_found"
    status: ClassVar[int] = 404


class HoldNotFoundError(RtsError):
    """There is no legal hold with this number in force."""

    code: ClassVar[str] = "legal_hold_not_found"
    status: ClassVar[int] = 404


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """The subject of a hold with its reason; it ends at `ends_at` (UTC), with None when it is released."""

    kind: Literal["device", "business"]
    id: UUID
    reason: str
    ends_at: datetime | None = None


async def place_hold(connection: Connection, requested: HoldRequest, operator: Operator, now: datetime) -> int:
    """Place a hold and take retention out of the schedule, in one transaction; returns its number.

    Raises HoldSubjectNotFoundError.
    """
    async with connection.transaction():
        number: int | None = await connection.fetchval(
            *QUERIES.bind(
                "place_hold",
                kind=requested.kind,
                subject_id=requested.id,
                reason=requested.reason,
                now=now,
                operator=operator.name,
                ends_at=requested.ends_at,
                **operator.actor.parameters(),
            ),
        )
        if number is None:
            raise HoldSubjectNotFoundError
        await _schedule(connection, await read_storage(connection), now, scheduled=False)
    return number


async def release_hold(connection: Connection, number: int, operator: Operator, now: datetime) -> None:
    """Release a hold; with the last one retention runs again, an hour from now. Raises HoldNotFoundError."""
    async with connection.transaction():
        released = await connection.fetchval(
            *QUERIES.bind("release_hold", hold=number, now=now, operator=operator.name, **operator.actor.parameters())
        )
        if released is None:
            raise HoldNotFoundError
        storage = await read_storage(connection)
        if not storage.held:
            await _schedule(connection, storage, now, scheduled=True)


async def list_holds(connection: Connection) -> list[dict[str, Any]]:
    """Return all holds, those in force first; times in UTC."""
    return [dict(row) for row in await connection.fetch(QUERIES["list_holds"])]


async def end_holds(connection: Connection, now: datetime, operator: Operator) -> None:
    """Release the holds whose end has come; one that can't be released stays in force and is tried again."""
    isolated = await Isolated(connection, TASK, now).read()
    for row in await connection.fetch(*QUERIES.bind("list_ended", now=now)):
        item = f"hold:{row['id']}"
        await isolated.attempt(item, partial(release_hold, connection, row["id"], operator, now))
        if item not in isolated.postponed:
            log.info("legal hold %d has ended", row["id"])


async def drop_unheld(connection: Connection, now: datetime) -> int:
    """Drop the chunks beyond retention that no hold protects; returns their number. Without a hold the policies do it.

    A level whose locks others hold is tried again and does not stop the others.
    """
    storage = await read_storage(connection)
    if not storage.held:
        return 0
    dropped, unknown = 0, await connection.fetchval(QUERIES["has_gone"])
    isolated = await Isolated(connection, TASK, now).read()
    for level in storage.values.levels if not unknown else storage.values.metrics:
        end, oldest = now - storage.values.drop_after(level), storage.oldest.get(level.relation)
        if oldest is None or oldest + level.chunk > end:
            continue
        drop = partial(_drop_level, connection, level.relation, end)
        dropped += await isolated.attempt(f"level:{level.relation}", drop, DROP_SECONDS) or 0
    return dropped


async def _drop_level(connection: Connection, relation: str, end: datetime) -> int:
    first = await connection.fetchval(*QUERIES.bind(f"first_held_{relation}", until=end))
    count: int = await connection.fetchval(
        *QUERIES.bind("drop_old_chunks", relation=relation, time=min(end, first or end))
    )
    if count:
        log.info("%s: %d chunks without data under legal hold are dropped", relation, count)
    return count


async def _schedule(connection: Connection, storage: StorageState, now: datetime, *, scheduled: bool) -> None:
    for (relation, kind), job in storage.policies.items():
        if kind == "retention" and job.scheduled != scheduled:
            level = next(level for level in storage.values.levels if level.relation == relation)
            keep = storage.values.drop_after(level)
            later = now + FIRST_RUN_AFTER if scheduled else None
            await connection.execute(
                *DRIFT.bind("set_retention", job_id=job.job_id, keep=keep, scheduled=scheduled, next_start=later)
            )
