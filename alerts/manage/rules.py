"""Employees create, change, switch, delete and list rules here, and read each rule's changes of state.

A rule whose conditions or scope change starts again: the transaction of the change deletes its states and ends its
open alerts. It first waits for a running evaluation, which has read the rule as it was before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from pydantic import BaseModel

from alerts.errors import AlertRuleNotFoundError
from alerts.manage.scope import ScopeOfRule, business_of
from alerts.notify.queue import queue_resolved
from alerts.rules.alert_types import alert_type_of
from alerts.rules.defaults import DEFAULTS
from alerts.rules.loader import UNREADABLE, parse_stored
from core.errors import UnknownEmployeeError
from core.text import like_literal
from db.pools import Connection
from db.sql import after_keys, load_beside
from db.transactions import in_transaction
from devices.audit import Actor

QUERIES = load_beside(__file__, "rules.sql")

Values = dict[str, Any]  # column → value; conditions of a request are parsed
PLACE = ("business_id", "service_location_id", "agent_device_id")
# The fields that define a rule's evaluation: an alert that was opened before a change of these is void after it.
STARTS_ANEW = frozenset({*PLACE, "device_type", "conditions", "is_shadow"})


@dataclass(frozen=True, slots=True)
class RuleFilter:
    """Which rules a list holds; None filters nothing.

    `agent_id`: those that reach this device. `search` is looked for in name and description; `after` is (name, id) of
    the last rule before this page.
    """

    business_id: UUID | None = None
    agent_id: UUID | None = None
    is_active: bool | None = None
    search: str | None = None
    after: tuple[str, UUID] | None = None

    def parameters(self) -> dict[str, Any]:
        """Return the filters as the query `list_rules` takes them."""
        return {
            "business_id": self.business_id, "device_id": self.agent_id, "is_active": self.is_active,
            "pattern": None if self.search is None else f"%{like_literal(self.search)}%",
            **after_keys(self.after, "name", "id"),
        }  # fmt: skip


async def list_rules(pool: asyncpg.Pool, filters: RuleFilter, limit: int) -> list[asyncpg.Record]:
    """Return at most `limit` rules in the order of their names."""
    return await pool.fetch(*QUERIES.bind("list_rules", rule_id=None, limit=limit, **filters.parameters()))


async def read_rule(connection: Connection | asyncpg.Pool, rule_id: UUID) -> asyncpg.Record:
    """Return a rule; raises AlertRuleNotFoundError."""
    row = await connection.fetchrow(*QUERIES.bind("list_rules", rule_id=rule_id, limit=1, **RuleFilter().parameters()))
    if row is None:
        raise AlertRuleNotFoundError
    return row


@in_transaction
async def create_rule(connection: Connection, values: Values, employee: Actor, now: datetime) -> asyncpg.Record:
    """Make a rule of column values and return it.

    Raises UnknownBusinessError, UnknownLocationError, AgentNotFoundError or UnknownEmployeeError.
    """
    placed_values = values | await resolve_business(connection, values)
    (row,) = await insert_rules(connection, [placed_values], employee, now)
    return row


async def insert_rules(
    connection: Connection, rules: Sequence[Values], employee: Actor, now: datetime
) -> list[asyncpg.Record]:
    """Insert rules with a trail and return them in order."""
    rows = [rule | {"alert_type": rule.get("alert_type") or alert_type_of(rule["conditions"])} for rule in rules]
    try:
        inserted = await connection.fetch(
            *QUERIES.bind("create_rules", rules=as_json(rows), now=now, **employee.parameters())
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownEmployeeError from error
    return [await read_rule(connection, row["id"]) for row in inserted]


@in_transaction
async def change_rule(
    connection: Connection, rule_id: UUID, changes: Values, employee: Actor, now: datetime
) -> asyncpg.Record:
    """Change the columns that `changes` names and return the rule.

    Raises as create_rule, and AlertRuleNotFoundError.
    """
    before = await lock_rule(connection, rule_id)
    values = changes | retyped(before, changes)
    if values.keys() & set(PLACE):
        values |= await resolve_business(connection, before | values)
    stored = before | {"conditions": decoded(before["conditions"])}
    anew = any(stored[name] != plain(value) for name, value in values.items() if name in STARTS_ANEW)
    note = "The rule was changed." if anew else None
    await write_change(connection, rule_id, "alert_rule_changed", values, note, employee, now)
    return await read_rule(connection, rule_id)


@in_transaction
async def switch_rule(
    connection: Connection, rule_id: UUID, employee: Actor, now: datetime, *, on: bool
) -> asyncpg.Record:
    """Enable or disable a rule; disabling ends its open alerts. Raises AlertRuleNotFoundError."""
    before = await lock_rule(connection, rule_id)
    if before["is_active"] != on:
        action, note = ("alert_rule_enabled", None) if on else ("alert_rule_disabled", "The rule was disabled.")
        await write_change(connection, rule_id, action, {"is_active": on}, note, employee, now)
    return await read_rule(connection, rule_id)


@in_transaction
async def delete_rule(connection: Connection, rule_id: UUID, employee: Actor, now: datetime) -> None:
    """Delete a rule; its open alerts end, its past alerts stay readable. Raises AlertRuleNotFoundError."""
    await lock_rule(connection, rule_id)
    note = "The rule was deleted."
    await write_change(connection, rule_id, "alert_rule_deleted", {"soft_delete": True}, note, employee, now)


@in_transaction
async def create_defaults(
    connection: Connection, business_id: UUID, employee: Actor, now: datetime
) -> tuple[list[asyncpg.Record], list[asyncpg.Record]]:
    """Create the default rules whose type a business lacks; returns the new rules and the existing ones.

    Raises UnknownBusinessError or UnknownEmployeeError.
    """
    await business_of(connection, ScopeOfRule(business_id, None, None))
    await connection.execute(*QUERIES.bind("lock_business", business_id=business_id))
    types = [default["alert_type"] for default in DEFAULTS]
    existing = await connection.fetch(*QUERIES.bind("rules_of_types", business_id=business_id, types=types))
    existing_types = {row["alert_type"] for row in existing}
    missing = [
        default | {"business_id": business_id} for default in DEFAULTS if default["alert_type"] not in existing_types
    ]
    created = await insert_rules(connection, missing, employee, now) if missing else []
    return created, [await read_rule(connection, row["id"]) for row in existing]


async def read_transitions(
    pool: asyncpg.Pool, rule_id: UUID, place: tuple[UUID | None, str | None], after: tuple[datetime, int] | None,
    limit: int,
) -> list[asyncpg.Record]:  # fmt: skip
    """Return a rule's changes of state, newest first; `after` is (at, id) of the last one of the page before.

    `place`: only on this device, only of this instance. Raises AlertRuleNotFoundError.
    """
    rows = await pool.fetch(
        *QUERIES.bind(
            "read_transitions",
            rule_id=rule_id,
            device_id=place[0],
            instance=place[1],
            **after_keys(after, "time", "id"),
            limit=limit,
        )
    )
    if not rows:
        await read_rule(pool, rule_id)
    return rows


async def lock_rule(connection: Connection, rule_id: UUID) -> Values:
    """Wait for a running evaluation, lock a rule and return its columns that may be changed.

    Raises AlertRuleNotFoundError.
    """
    await connection.execute(QUERIES["wait_for_pass"])
    row = await connection.fetchrow(*QUERIES.bind("lock_rule", rule_id=rule_id))
    if row is None:
        raise AlertRuleNotFoundError
    return dict(row)


async def resolve_business(connection: Connection, values: Values) -> Values:
    """Return the business of a rule's scope; raises if its business, site and device do not belong together."""
    return {"business_id": await business_of(connection, ScopeOfRule(*(values.get(name) for name in PLACE)))}


async def write_change(
    connection: Connection,
    rule_id: UUID,
    action: str,
    changes: Values,
    note: str | None,
    employee: Actor,
    now: datetime,
) -> None:
    """Change a rule with an audit row. With a note the rule starts again: its open alerts end and messages are sent."""
    try:
        ended = await connection.fetch(
            *QUERIES.bind(
                "change_rule",
                rule_id=rule_id,
                changes=as_json(changes),
                note=note,
                action=action,
                now=now,
                **employee.parameters(),
            )
        )
    except asyncpg.ForeignKeyViolationError as error:
        raise UnknownEmployeeError from error
    await queue_resolved(connection, [row["id"] for row in ended], now)


def retyped(before: Values, changes: Values) -> Values:
    """Return the new default type if the conditions change and the rule had the default type of the old ones."""
    if (
        "conditions" not in changes
        or "alert_type" in changes
        or before["alert_type"] != stored_alert_type(before["conditions"])
    ):
        return {}
    return {"alert_type": alert_type_of(changes["conditions"])}


def stored_alert_type(text: str) -> str | None:
    """Return the default type of stored conditions; None if another program wrote conditions that cannot be read."""
    try:
        return alert_type_of(parse_stored(text))
    except UNREADABLE:
        return None


def decoded(text: str | None) -> Any:
    """Return stored JSON; None for null and for JSON that cannot be read, such as 1e400 from another program."""
    try:
        return msgspec.json.decode(text or "null")
    except (ValueError, RecursionError):
        return None


def plain(value: Any) -> Any:
    """Return a column value without models: conditions as their author wrote them."""
    return value.model_dump(exclude_unset=True) if isinstance(value, BaseModel) else value


def as_json(values: Any) -> str:
    """Return column values as the statements take them."""
    return msgspec.json.encode(values, enc_hook=plain).decode()
