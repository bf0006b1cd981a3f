"""Changes of retention: requested by a plan, in force after a grace period, undone as long as nothing is dropped."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar

from core.errors import RtsError
from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside
from devices.audit import Actor
from retention.ages import LEVEL_NAMES, ages_from_days
from retention.plans import FORMAT, ChangePlan, PlanRefusedError, hash_document, make_plan
from retention.records import QUERIES as RECORDS
from retention.records import read_record_ages
from rollups.drift import find_drift, read_storage
from rollups.repair import repair

QUERIES = load_beside(__file__, "changes.sql")
log = logging.getLogger(__name__)

TASK = "retention changes"  # of the worker, in agent_isolated_faults


class PlanDamagedError(RtsError):
    """This is not a plan of `rts-agents retention plan`, or it was changed since: make the plan again."""

    code: ClassVar[str] = "retention_plan_damaged"
    status: ClassVar[int] = 422


class PlanOutdatedError(RtsError):
    """The database has changed since this plan was made: make the plan again, and read it again."""

    code: ClassVar[str] = "retention_plan_outdated"
    status: ClassVar[int] = 409


class WrongDatabaseError(RtsError):
    """This is not the database that was named: nothing was done."""

    code: ClassVar[str] = "wrong_database"
    status: ClassVar[int] = 409


class ChangeNotFoundError(RtsError):
    """There is no change of retention with this number: see the history."""

    code: ClassVar[str] = "retention_change_not_found"
    status: ClassVar[int] = 404


class UndoRefusedError(RtsError):
    """This change cannot be undone."""

    code: ClassVar[str] = "retention_undo_refused"
    status: ClassVar[int] = 409


class UnsafePoliciesError(Exception):
    """The policies as they are would destroy data; the message names them."""


@dataclass(frozen=True, slots=True)
class Operator:
    """The author of a change of retention: an employee, or a person at the command line, by name."""

    name: str
    actor: Actor


@dataclass(frozen=True, slots=True)
class Change:
    """The outcome of a request: `due_at` (UTC) is when it comes into force; `applied`: it is in force already."""

    id: int
    due_at: datetime
    applied: bool


async def apply_plan(
    connection: Connection, document: Mapping[str, Any], database: str, operator: Operator, reason: str, now: datetime,
    grace: timedelta,
) -> Change:  # fmt: skip
    """Request the change of a plan. It waits for the grace period if it shortens a level; else it is in force at once.

    `database` is the name that confirms. Raises PlanDamagedError, WrongDatabaseError, PlanOutdatedError or
    PlanRefusedError.
    """
    check_document(document)
    async with connection.transaction():
        await connection.execute(QUERIES["limit_waits"])
        await connection.execute(QUERIES["lock_values"])
        plan = await make_plan(connection, ages_from_days(document["after"]), now, grace, large=bool(document["large"]))
        check_plan(plan, document, database)
        due_at = now + grace if plan.shortens else now
        number: int = await connection.fetchval(
            *QUERIES.bind(
                "add_change",
                now=now,
                due=due_at,
                operator=operator.name,
                reason=reason,
                before=json.dumps(plan.before),
                after=json.dumps(plan.after),
                plan=json.dumps(document),
                **operator.actor.parameters(),
            ),
        )
    return Change(number, due_at, applied=await apply_due(connection, now) == number)


def check_document(document: Mapping[str, Any]) -> None:
    """Raise PlanDamagedError unless this is a plan as it was made."""
    keys = {"format", "after", "before", "large", "fingerprint", "oldest", "database", "hash"}
    if not keys <= document.keys() or document["format"] != FORMAT or hash_document(document) != document["hash"]:
        raise PlanDamagedError


def check_plan(plan: ChangePlan, document: Mapping[str, Any], database: str) -> None:
    """Raise unless the plan, made again, is the one that was signed off, for this database, and safe."""
    if plan.database not in (database, document["database"]) or database != document["database"]:
        raise WrongDatabaseError(f"This database is {plan.database}, the plan is for {document['database']}.")
    if plan.objections:
        raise PlanRefusedError("This change is not safe: " + "; ".join(plan.objections), details=plan.objections)
    older = [
        relation
        for relation, oldest in plan.oldest.items()
        if oldest < datetime.fromisoformat(document["oldest"].get(relation, oldest.isoformat()))
    ]
    if plan.fingerprint != document["fingerprint"] or older:
        raise PlanOutdatedError


async def check_database(connection: Connection, name: str) -> None:
    """Raise WrongDatabaseError unless this is the database of that name."""
    state = await connection.fetchrow(QUERIES["read_state"])
    assert state is not None
    if state["database"] != name:
        raise WrongDatabaseError(f"This database is {state['database']}, not {name}: nothing was done.")


async def apply_due(connection: Connection, now: datetime) -> int | None:
    """Apply the change whose grace period is over; returns its number, None if none is due.

    A change that fails, or would meet unsafe policies, waits on: its reason is in the history, and the next call tries
    again.
    """
    async with connection.transaction():
        await connection.execute(QUERIES["limit_waits"])
        row = await connection.fetchrow(*QUERIES.bind("claim_due", now=now))
        if row is None:
            return None
        isolated, number = await Isolated(connection, TASK, now).read(), int(row["id"])
        try:
            async with connection.transaction():
                await _apply(connection, number, json.loads(row["after"]), now)
        except Exception as error:
            if connection.is_closed():
                raise
            await isolated.note(f"change:{number}", error)
            return None
        await isolated.forget(f"change:{number}")
    return number


async def _apply(connection: Connection, number: int, after: Mapping[str, float], now: datetime) -> None:
    """Apply one change and record it. Raises UnsafePoliciesError."""
    unsafe = [drift.sentence for drift in await find_drift(connection, now) if drift.unsafe]
    if unsafe:
        raise UnsafePoliciesError("; ".join(unsafe))
    await put_in_force(connection, number, after, now)
    oldest = {name: at.isoformat() for name, at in (await read_storage(connection)).oldest.items()}
    await connection.execute(*QUERIES.bind("note_applied", change=number, now=now, oldest=json.dumps(oldest)))


async def put_in_force(connection: Connection, number: int, days: Mapping[str, float], now: datetime) -> None:
    """Write ages into the values and the policies, in the caller's transaction."""
    for name, keep in ages_from_days(days).items():
        if name in LEVEL_NAMES:
            await connection.execute(*QUERIES.bind("set_keep", level=name, keep=keep, change=number))
        else:
            await connection.execute(*RECORDS.bind("set_record_keep", name=name, keep=keep, change=number))
    for line in await repair(connection, now):
        log.info(line)


async def undo_change(connection: Connection, number: int, operator: Operator, now: datetime) -> str:
    """Undo the newest change; returns the effect as a sentence.

    Raises ChangeNotFoundError; UndoRefusedError when chunks were dropped, when a later change builds on it, or when
    undoing would itself drop data.
    """
    async with connection.transaction():
        await connection.execute(QUERIES["limit_waits"])
        await connection.execute(QUERIES["lock_values"])
        row = await connection.fetchrow(*QUERIES.bind("read_change", change=number))
        if row is None:
            raise ChangeNotFoundError
        before, after = json.loads(row["before"]), json.loads(row["after"])
        check_undo(dict(row), before, after)
        if row["state"] == "applied":
            await check_nothing_dropped(connection, json.loads(row["oldest"]))
            await check_nothing_purged(connection, before, after, row["applied_at"])
            await put_in_force(connection, number, before, now)
        await connection.execute(
            *QUERIES.bind("note_undone", change=number, now=now, operator=operator.name, **operator.actor.parameters())
        )
        await (await Isolated(connection, TASK, now).read()).forget(f"change:{number}")
    if row["state"] == "waiting":
        return f"Change {number} is undone. It was not in force, nothing was dropped."
    return f"Change {number} is undone. Nothing had been dropped, the values before it are in force again."


def check_undo(row: Mapping[str, Any], before: Mapping[str, float], after: Mapping[str, float]) -> None:
    """Raise UndoRefusedError unless a change is the newest one and undoing it drops nothing."""
    if row["state"] == "undone":
        raise UndoRefusedError(f"Change {row['id']} is undone already.")
    if not row["is_newest"]:
        raise UndoRefusedError(f"Changes after {row['id']} build on it: undo those first, or make a plan.")
    longer = [name for name in before if after[name] > before[name]]
    if row["state"] == "applied" and longer:
        raise UndoRefusedError(
            f"Change {row['id']} keeps {', '.join(longer)} longer: to undo it would drop data. Make a plan for that."
        )


async def check_nothing_dropped(connection: Connection, oldest: Mapping[str, str]) -> None:
    """Raise UndoRefusedError if chunks were dropped since the change was applied."""
    now_oldest = (await read_storage(connection)).oldest
    dropped = [
        f"{relation} before {now_oldest[relation]:%Y-%m-%d}" if relation in now_oldest else relation
        for relation, at in oldest.items()
        if relation not in now_oldest or now_oldest[relation] > datetime.fromisoformat(at)
    ]
    if dropped:
        raise UndoRefusedError(
            f"Chunks were dropped: {', '.join(dropped)}. They stay lost; make a plan to keep data longer from now on."
        )


async def check_nothing_purged(
    connection: Connection, before: Mapping[str, float], after: Mapping[str, float], since: datetime
) -> None:
    """Raise UndoRefusedError when rows were deleted of a kind of records that a change keeps shorter."""
    shorter = {name for name in before if after[name] < before[name]}
    purged = [
        age.kind.name
        for age in await read_record_ages(connection)
        if age.kind.name in shorter and age.purged_at and age.purged_at >= since
    ]
    if purged:
        raise UndoRefusedError(
            f"Rows were deleted: {', '.join(purged)}. They stay lost; make a plan to keep records longer from now on."
        )


async def list_changes(connection: Connection, most: int = 100) -> list[dict[str, Any]]:
    """Return the newest changes first; times in UTC, ages in days, sizes in bytes."""
    rows = await connection.fetch(*QUERIES.bind("list_changes", limit=most))
    return [dict(row) | {name: json.loads(row[name]) for name in ("before", "after")} for row in rows]
