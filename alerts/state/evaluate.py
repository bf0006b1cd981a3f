"""One pass over all rules: facts → steps → rows. The clock is an argument, and everything happens in one transaction.

1. Take the turn; another worker, or the same instant again, changes nothing.
2. Read the rules and ask what holds (`gather.py`).
3. For each rule and device that has begun or is open: one step of the machine (`machine.py`).
4. Write the transitions, the states, the alerts, and what follows from them (`outbox.py`).
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from alerts.query.facts import FALSE, UNKNOWN, Fact, judge
from alerts.query.runner import Facts, Question, gather
from alerts.rules.conditions import ForecastCondition, ServiceCondition, leaves_of
from alerts.rules.loader import RuleRow, Rules, note_faults, read_rules
from alerts.silences.schedule import Mutes, read_mutes
from alerts.state.apply import Change, write_changes
from alerts.state.broken_rules import settle_left_out
from alerts.state.instances import instance_changes, split_rules
from alerts.state.machine import INACTIVE, Situation, Step, step
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "evaluate.sql")

log = logging.getLogger(__name__)

AWAY_AFTER = timedelta(minutes=10)  # without an evaluation for so long, we were away
Pair = tuple[UUID, UUID]  # rule, device


@dataclass(frozen=True, slots=True)
class Pass:
    """What an evaluation did."""

    rules: int
    statements: int
    changed: int
    seconds: float


async def evaluate(connection: Connection, now: datetime) -> Pass | None:
    """Evaluate every rule at `now` (UTC); None when it is another's turn or that instant is done."""
    began = time.perf_counter()
    async with connection.transaction():
        turn = await connection.fetchrow(QUERIES["begin_pass"], now, AWAY_AFTER)
        if turn is None:
            return None
        await connection.execute(QUERIES["plan_for_fleets"])
        rules = await read_rules(connection)
        await note_faults(connection, rules, now)
        await settle_left_out(connection, rules.faults, now)
        question = Question([now], unsure_until=turn["unsure_until"])
        of_devices, of_instances = split_rules(rules)
        facts = await gather(connection, (row.rule for row in of_devices.rows.values()), question)
        situations = await read_situations(connection, of_devices)
        mutes = await read_mutes(connection, now)
        changes = steps(of_devices, facts, situations, mutes, now)
        changes += await instance_changes(connection, of_instances, question, mutes)
        await write_changes(connection, changes, now)
        done = Pass(len(rules.rows), facts.statements, len(changes), time.perf_counter() - began)
        await connection.execute(QUERIES["end_pass"], done.seconds, done.statements, done.rules, done.changed)
    return done


async def read_situations(connection: Connection, rules: Rules) -> dict[Pair, Situation]:
    """Return where the rules stand, by rule and device."""
    rows = await connection.fetch(QUERIES["read_states"], list(rules.rows))
    return {(row["agent_alert_id"], row["agent_device_id"]): Situation(row["state"], row["since"]) for row in rows}


def steps(rules: Rules, facts: Facts, situations: dict[Pair, Situation], mutes: Mutes, now: datetime) -> list[Change]:
    """Return what changes: one step of the machine for each pair of which something is known."""
    known = {(rule, device): leaves for (rule, device, _), leaves in facts.of.items()}
    changes = []
    for pair in known.keys() | situations.keys():
        row = rules.rows[pair[0]]
        situation = situations.get(pair, INACTIVE)
        fact = fact_of(row, known.get(pair), open_already=pair in situations)
        muted = mutes.covers(pair[1], row.active_hours)
        made = leave(situation, now) if fact is None else step(situation, fact, now, row.rule.keep_firing, muted=muted)
        if made.changed:
            changes.append(Change(row, pair[1], made, fact or UNKNOWN))
    return changes


def fact_of(row: RuleRow, leaves: dict[int, Fact] | None, *, open_already: bool) -> Fact | None:
    """Return what is known of a whole rule on one device; None when the device is out of its reach.

    What begun nowhere has no row, unless the rule is open there: then only services that are all well, and forecasts
    that don't exist, have none.
    """
    conditions = leaves_of(row.rule.condition)
    absent = [FALSE if isinstance(one, ServiceCondition) or not open_already else UNKNOWN for one in conditions]
    if not leaves and not any(isinstance(one, ServiceCondition | ForecastCondition) for one in conditions):
        return None
    return judge(row.rule.condition, [(leaves or {}).get(number, fact) for number, fact in enumerate(absent)])


def leave(situation: Situation, now: datetime) -> Step:
    """Return the step of a device that its rule no longer reaches: the alert ends."""
    return Step(situation, Situation("inactive", now), "out of reach")
