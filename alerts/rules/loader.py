"""Reads the stored rules into the form that is evaluated; a rule that cannot be read is reported, never skipped."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property, lru_cache, partial
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from alerts.rules.conditions import Condition, parse_condition
from alerts.rules.terms import Rule, RuleList, Scope
from alerts.silences.schedule import check_hours
from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "loader.sql")

log = logging.getLogger(__name__)

KEPT_RULES = 50_000  # about 100 MB when they are all there
# Errors that a row written by another program may raise.
UNREADABLE = (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError, OSError)


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule and its alert: name, severity, recipients, hours, ticket."""

    rule: Rule
    alert_name: str
    alert_type: str
    severity: str
    is_shadow: bool
    ticket_enabled: bool
    notification_enabled: bool
    channels: list[Any]
    recipients: list[Any]
    active_hours: dict[str, Any] | None


@dataclass
class Rules:
    """The active rules by id, and the reasons why others cannot be read."""

    rows: dict[UUID, RuleRow] = field(default_factory=dict)
    faults: dict[UUID, str] = field(default_factory=dict)

    @cached_property
    def in_force(self) -> RuleList:
        """The rules to evaluate; call it after all rows are added."""
        return RuleList(row.rule for row in self.rows.values())


@dataclass(slots=True)
class KeptRules:
    """The rules of the last evaluation in this process, and their version."""

    version: str | None = None
    rules: Rules = field(default_factory=Rules)


async def read_rules(connection: Connection, rule_id: UUID | None = None) -> Rules:
    """Return the active rules, or one of them."""
    return as_rules(await connection.fetch(*QUERIES.bind("read_rules", rule_id=rule_id)))


async def read_changed_rules(connection: Connection, kept: KeptRules) -> Rules:
    """Return all active rules: the same object as at the last call with `kept` while none has changed."""
    rows = await connection.fetch(*QUERIES.bind("read_changed_rules", version=kept.version))
    if rows[0]["version"] != kept.version:
        kept.rules = as_rules(row for row in rows if row["id"])
        kept.version = rows[0]["version"]
    return kept.rules


def as_rules(rows: Iterable[asyncpg.Record]) -> Rules:
    """Return rows as rules, with the reasons of those that cannot be read."""
    rules = Rules()
    for row in rows:
        try:
            rules.rows[row["id"]] = as_row(row)
        except UNREADABLE as fault:
            rules.faults[row["id"]] = (str(fault) or repr(fault))[:1000]
    return rules


async def note_faults(connection: Connection, rules: Rules, now: datetime, isolated: Isolated) -> None:
    """Store the reasons in the rows of rules that cannot be read, for their authors."""
    for rule_id, fault in rules.faults.items():
        log.warning("alert rule %s cannot be evaluated: %s", rule_id, fault)
        note = QUERIES.bind("note_rule_error", rule_id=rule_id, message=fault, now=now)
        await isolated.attempt(f"note:{rule_id}", partial(connection.execute, *note))


@lru_cache(4096)
def parse_stored(text: str) -> Condition:
    """Return the condition of a jsonb text; cached, because rules of thousands of businesses share a few texts."""
    return parse_condition(msgspec.json.decode(text))


@lru_cache(KEPT_RULES)
def as_row(row: asyncpg.Record) -> RuleRow:
    """Return one rule; raises one of UNREADABLE if its conditions, hours or recipients cannot be read.

    Cached by the whole row: most rules have not changed since the last evaluation.
    """
    reach = Scope(row["business_id"], row["service_location_id"], row["agent_device_id"], row["device_type"])
    condition = parse_stored(row["conditions"])
    rule = Rule(row["id"], reach, condition, timedelta(minutes=row["keep_firing_minutes"]))
    hours = msgspec.json.decode(row["active_hours"] or "null")
    if hours is not None:
        check_hours(hours)
    return RuleRow(
        rule, row["alert_name"], row["alert_type"], row["severity"], row["is_shadow"], row["ticket_enabled"],
        row["notification_enabled"], msgspec.json.decode(row["notification_channels"], type=list),
        msgspec.json.decode(row["notification_recipients"], type=list), hours,
    )  # fmt: skip
