"""End-of-life rules: employees write them, the worker marks the inventory of all devices with them.

New inventory is marked when it arrives (`software.py`). A new, changed or deleted rule has `applied_at` null: the
worker goes through the rows that it matches or matched, in batches, and marks each by the rule that applies now.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from core.errors import UnknownEmployeeError
from core.text import like_literal
from db.isolation import Isolated, due_apart
from db.pools import Connection
from db.sql import after_keys, load_beside
from devices.audit import Actor
from inventory.errors import EolRuleExistsError, EolRuleNotFoundError

QUERIES = load_beside(__file__, "eol.sql")

ROWS_AT_ONCE = 1000
BATCHES_IN_A_PASS = 50  # the worker's other tasks wait meanwhile


@dataclass(frozen=True, slots=True)
class NewRule:
    """Software of this name (`*`: any text) whose version begins with the prefix has its end of life at `eol_date`."""

    software_name: str
    version_prefix: str
    eol_date: date
    latest_available_version: str | None
    note: str | None


async def list_rules(
    pool: asyncpg.Pool, search: str | None, after: tuple[str, str] | None, limit: int
) -> list[asyncpg.Record]:
    """Return at most `limit` rules whose name holds `search`; `after` is (sort_key, version_prefix) of the last one."""
    pattern = None if search is None else f"%{like_literal(search)}%"
    return await pool.fetch(
        *QUERIES.bind("list_rules", pattern=pattern, **after_keys(after, "key", "version"), limit=limit)
    )


async def create_rule(pool: asyncpg.Pool, rule: NewRule, employee: Actor, now: datetime) -> asyncpg.Record:
    """Make a rule and return its row; raises EolRuleExistsError or UnknownEmployeeError."""
    row = await _written(pool, "create_rule", now, employee, **asdict(rule))
    assert row is not None
    return row


async def change_rule(
    pool: asyncpg.Pool, rule_id: UUID, changes: dict[str, Any], employee: Actor, now: datetime
) -> asyncpg.Record:
    """Change the fields of NewRule that `changes` names and return the row.

    Raises EolRuleNotFoundError, EolRuleExistsError or UnknownEmployeeError.
    """
    patch = msgspec.json.encode(changes).decode()
    row = await _written(pool, "change_rule", now, employee, rule_id=rule_id, changes=patch)
    if row is None:
        raise EolRuleNotFoundError
    return row


async def delete_rule(pool: asyncpg.Pool, rule_id: UUID, employee: Actor, now: datetime) -> None:
    """Delete a rule; the worker removes its marks. Raises EolRuleNotFoundError or UnknownEmployeeError."""
    if await _written(pool, "delete_rule", now, employee, rule_id=rule_id) is None:
        raise EolRuleNotFoundError


async def _written(
    pool: asyncpg.Pool, query: str, now: datetime, employee: Actor, **values: Any
) -> asyncpg.Record | None:
    try:
        return await pool.fetchrow(*QUERIES.bind(query, now=now, **employee.parameters(), **values))
    except asyncpg.UniqueViolationError as error:
        raise EolRuleExistsError from error
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownEmployeeError from error


async def apply_rules(connection: Connection, now: datetime) -> None:
    """Apply the waiting rules to the inventory; the next pass continues a long one."""
    batches, isolated = BATCHES_IN_A_PASS, await Isolated(connection, "end-of-life rules", now).read()
    while batches and (
        rule := await connection.fetchrow(*QUERIES.bind("next_rule", postponed=isolated.postponed_ids("rule")))
    ):
        await connection.execute(QUERIES["wait_for_lists"])
        item = f"rule:{rule['id']}"
        try:
            batches = await _apply(connection, rule, now, batches)
            await isolated.forget(item)
        except Exception as error:
            if connection.is_closed():
                raise
            await isolated.note(item, error)


async def _apply(connection: Connection, rule: asyncpg.Record, now: datetime, batches: int) -> int:
    """Apply one rule in at most so many batches; return how many are left."""
    marked_to = rule["marked_to"]
    for done in range(batches):
        last = await connection.fetchval(
            *QUERIES.bind(
                "mark_batch",
                rule_id=rule["id"],
                pattern=rule["pattern"],
                marked_to=marked_to,
                today=now.date(),
                limit=ROWS_AT_ONCE,
            )
        )
        if last is None:
            await connection.execute(
                *QUERIES.bind("settle_rule", rule_id=rule["id"], updated_at=rule["updated_at"], now=now)
            )
            return batches - done - 1
        marked_to = last
    await connection.execute(
        *QUERIES.bind("pause_rule", rule_id=rule["id"], updated_at=rule["updated_at"], marked_to=marked_to)
    )
    return 0


async def reach_ends(connection: Connection, now: datetime) -> None:
    """Mark software whose end of life is reached at `now` (by the day in UTC)."""
    reached, day = ROWS_AT_ONCE, now.date()
    find = partial(QUERIES.bind, "due_ends", today=day, limit=ROWS_AT_ONCE)

    async def mark(only: Sequence[UUID] | None) -> int:
        return int(await connection.fetchval(*QUERIES.bind("reach_ends", today=day, limit=ROWS_AT_ONCE, only=only)))

    while reached == ROWS_AT_ONCE:
        reached = await due_apart(connection, "ends of life", now, mark, find)
