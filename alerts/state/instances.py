"""Rules that stand on instances of devices: each disk, interface or sensor goes through the machine for itself.

A condition on the device in such a rule (`all` / `any`) counts for each of its instances. They are asked for apart from
the other rules and in a savepoint, so that a fault of one kind doesn't stop the other.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import asyncpg

from alerts.query.facts import FALSE, UNKNOWN, ConditionResult, judge
from alerts.query.places import Place, by_place
from alerts.query.runner import SERIES, EvaluationRequest, ResultsByKey, run_queries
from alerts.rules.conditions import terms_of
from alerts.rules.loader import RuleRow, Rules
from alerts.silences.schedule import ActiveSilences
from alerts.state.apply import StateChange
from alerts.state.machine import INACTIVE, AlertState, StateStep, step
from db.pools import Connection

log = logging.getLogger(__name__)


def split_rules(rules: Rules) -> tuple[Rules, Rules]:
    """Return the rules that stand on devices, and those that stand on instances."""
    instances = {rule_id: row for rule_id, row in rules.rows.items() if row.rule.has_instances}
    devices = {rule_id: row for rule_id, row in rules.rows.items() if rule_id not in instances}
    return replace(rules, rows=devices), replace(rules, rows=instances)


async def instance_changes(
    connection: Connection, rules: Rules, question: EvaluationRequest, mutes: ActiveSilences
) -> list[StateChange]:
    """Return what changes on instances at the one instant of `question`; nothing when they can't be asked for."""
    if not rules.rows:
        return []
    try:
        async with connection.transaction():
            facts = await run_queries(connection, (row.rule for row in rules.rows.values()), question)
            rows = await connection.fetch(SERIES["read_states"], list(rules.rows))
    except asyncpg.PostgresError:
        log.exception("the rules on instances can't be evaluated")
        return []
    situations = {
        (row["agent_alert_id"], row["agent_device_id"], row["instance"]): AlertState(row["state"], row["since"])
        for row in rows
    }
    return list(steps(rules.rows, facts, situations, mutes, question.instants[0]))


def steps(
    rules: Mapping[UUID, RuleRow],
    facts: ResultsByKey,
    situations: Mapping[Place, AlertState],
    mutes: ActiveSilences,
    now: datetime,
) -> Iterable[StateChange]:
    """Yield what changes: one step of the machine for each instance of which something is known."""
    known = by_place(facts)
    for place in known.keys() | situations.keys():
        row, situation = rules[place[0]], situations.get(place, INACTIVE)
        own = known.get(place, {}).get(now)
        if own is None:
            made, fact = StateStep(situation, AlertState("inactive", now), "out of reach"), UNKNOWN
        else:
            fact = fact_of(row, own, open_already=place in situations)
            muted = mutes.covers(place[1], row.active_hours)
            made = step(situation, fact, now, row.rule.keep_firing, muted=muted)
        if made.changed:
            yield StateChange(row, place[1], made, fact, place[2])


def fact_of(row: RuleRow, terms: Mapping[int, ConditionResult], *, open_already: bool) -> ConditionResult:
    """Return what is known of a whole rule on one instance; what has begun nowhere has no row."""
    absent = UNKNOWN if open_already else FALSE
    numbers = range(len(terms_of(row.rule.condition)))
    return judge(row.rule.condition, [terms.get(number, absent) for number in numbers])
