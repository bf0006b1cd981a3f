"""One pass over all rules: facts → steps → rows. The clock is an argument, and everything happens in one transaction.

1. Take the turn; another worker, or the same instant again, changes nothing.
2. Read the rules and ask what holds (`alerts/query/apart.py`).
3. For each rule and device that has begun or is open: one step of the machine (`machine.py`).
4. Write the transitions, the states, the alerts, and what follows from them (`apply.py`).

A rule, window, device or change that fails is set apart (`db/isolation.py`), and the others go on.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

from alerts.query.apart import Apart, gather_apart
from alerts.query.facts import FALSE, UNKNOWN, ConditionResult, judge
from alerts.query.runner import EvaluationRequest
from alerts.rules.conditions import (
    ForecastCondition,
    NoDataCondition,
    OfflineCondition,
    ServiceCondition,
    terms_of,
)
from alerts.rules.loader import RuleRow, Rules, note_faults, read_rules
from alerts.silences.schedule import ActiveSilences, read_silences
from alerts.state.apply import StateChange, write_changes
from alerts.state.broken_rules import end_alerts_of_missing_rules
from alerts.state.instances import instance_steps, read_instances, split_rules
from alerts.state.machine import INACTIVE, MOVED, OPEN, OUT_OF_REACH, AlertState, StateStep, fail, leave, step
from alerts.state.unmeasured import end_unmeasured
from db.isolation import Isolated, in_halves
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "evaluate.sql")

log = logging.getLogger(__name__)

GONE = "no longer installed"
NO_SERVICE = replace(FALSE, note=GONE)
UNMEASURED_AFTER = timedelta(days=3)
AWAY_AFTER = timedelta(minutes=10)  # without an evaluation for so long, we were away
SEVERITIES = ("info", "warning", "critical")
Pair = tuple[UUID, UUID]  # rule, device


@dataclass(frozen=True, slots=True)
class Pass:
    """What an evaluation did."""

    rules: int
    statements: int
    changed: int
    seconds: float


async def evaluate(
    connection: Connection, now: datetime, unmeasured_after: timedelta = UNMEASURED_AFTER
) -> Pass | None:
    """Evaluate every rule at `now` (UTC); None when it is another's turn or that instant is done.

    `unmeasured_after`: when an alert ends whose device goes on without what the rule asks for; zero is never.
    """
    began = time.perf_counter()
    async with connection.transaction():
        turn = await connection.fetchrow(*QUERIES.bind("begin_pass", now=now, away_after=AWAY_AFTER))
        if turn is None:
            return None
        await connection.execute(QUERIES["plan_for_fleets"])
        await connection.execute(QUERIES["bound_waits"])
        rules = await read_rules(connection)
        await note_faults(connection, rules, now)
        await end_alerts_of_missing_rules(connection, rules.faults, now)
        kept = await Isolated(connection, "alerts", now).read()
        question = EvaluationRequest([now], unsure_until=turn["unsure_until"])
        of_devices, of_instances = split_rules(rules)
        apart = await gather_apart(connection, (row.rule for row in rules.rows.values()), question, kept)
        states = await read_states(connection, of_devices)
        instances = await read_instances(connection, of_instances)
        mutes = await read_silences(connection, now, kept)
        changes = await steps(of_devices, apart, states, mutes, kept)
        changes += await instance_steps(of_instances, apart, instances, mutes, kept)
        places = {(*pair, ""): state for pair, state in states.items()} | instances.states

        async def unmeasured() -> list[StateChange]:
            return await end_unmeasured(connection, rules, places, changes, now, unmeasured_after)

        changes += await kept.attempt("unmeasured", unmeasured) or []
        await write_apart(connection, changes, now, kept)
        await kept.forget_others()
        done = Pass(len(rules.rows), apart.facts.statements, len(changes), time.perf_counter() - began)
        await connection.execute(
            *QUERIES.bind(
                "end_pass", seconds=done.seconds, statements=done.statements, rules=done.rules, changes=done.changed
            )
        )
    return done


async def read_states(connection: Connection, rules: Rules) -> dict[Pair, AlertState]:
    """Return where the rules stand, by rule and device."""
    rows = await connection.fetch(*QUERIES.bind("read_states", rules=list(rules.rows)))
    return {
        (row["agent_alert_id"], row["agent_device_id"]): AlertState(row["state"], row["since"], row["has_moved"])
        for row in rows
    }


async def write_apart(connection: Connection, changes: Sequence[StateChange], now: datetime, kept: Isolated) -> None:
    """Write what follows from the changes; one that can't be written stays as it was and is tried in the next pass."""

    async def write(some: Sequence[StateChange]) -> None:
        await write_changes(connection, some, now)

    for change, error in await in_halves(connection, changes, write):
        await kept.note(f"change:{change.row.rule.id}:{change.device_id}", error)


async def steps(
    rules: Rules, apart: Apart, states: dict[Pair, AlertState], mutes: ActiveSilences, kept: Isolated
) -> list[StateChange]:
    """Return what changes: one step of the machine for each pair of which something is known."""
    known = {(rule, device): terms for (rule, device, _), terms in apart.facts.of.items() if rule in rules.rows}
    changes, offline = [], offline_devices(rules, known, states)
    for pair in known.keys() | states.keys():
        row, current = rules.rows[pair[0]], states.get(pair, INACTIVE)
        try:
            reason = apart.reason(pair)
            held = depends_on_device(row) and offline.get(pair[1], -1) >= SEVERITIES.index(row.severity)
            change = one_step(row, pair, known.get(pair), current, mutes, held=held) if reason is None else None
            if reason is not None and current.state in OPEN:
                change = StateChange(row, pair[1], fail(current, mutes.now, reason), UNKNOWN)
        except Exception as error:  # noqa: BLE001  it is this pair's alone
            await kept.note(f"step:{pair[0]}:{pair[1]}", error)
            continue
        if change is not None and change.step.changed:
            changes.append(change)
    return changes


def offline_devices(
    rules: Rules, known: Mapping[Pair, Mapping[int, ConditionResult]], states: Mapping[Pair, AlertState]
) -> dict[UUID, int]:
    """Return the devices on which a rule on their whole silence fires, or begins to now, with its severity's rank."""
    found: dict[UUID, int] = {}
    for pair in known.keys() | states.keys():
        row, terms = rules.rows[pair[0]], known.get(pair, {})
        if not row.is_shadow and all(isinstance(one, OfflineCondition) for one in terms_of(row.rule.condition)):
            begins = any(result.breached for result in terms.values())
            goes_on = states.get(pair, INACTIVE).state in OPEN and any(result.holding for result in terms.values())
            if begins or goes_on:
                found[pair[1]] = max(found.get(pair[1], -1), SEVERITIES.index(row.severity))
    return found


def depends_on_device(row: RuleRow) -> bool:
    """Return whether a rule adds nothing for an offline device: it uses missing data or services only."""
    return all(isinstance(one, NoDataCondition | ServiceCondition) for one in terms_of(row.rule.condition))


def one_step(
    row: RuleRow,
    pair: Pair,
    terms: dict[int, ConditionResult] | None,
    current: AlertState,
    mutes: ActiveSilences,
    *,
    held: bool,
) -> StateChange:
    """Return what becomes of one rule on one device, by what is known of its conditions; `held`: nothing begins."""
    result = result_of(row, terms, open_already=current is not INACTIVE)
    muted = held or mutes.covers(pair[1], row.active_hours)
    if result is None or current.has_moved:
        why = MOVED if current.has_moved else OUT_OF_REACH
        return StateChange(row, pair[1], leave(current, mutes.now, why), UNKNOWN)
    made = step(current, result, mutes.now, row.rule.keep_firing, muted=muted)
    return StateChange(row, pair[1], explained(made, result), result)


def result_of(row: RuleRow, terms: dict[int, ConditionResult] | None, *, open_already: bool) -> ConditionResult | None:
    """Return what is known of a whole rule on one device; None when the device is out of its reach.

    What begun nowhere has no row, unless the rule is open there: then only services that are all well, and forecasts
    that don't exist, have none.
    """
    conditions = terms_of(row.rule.condition)
    absent = [
        (NO_SERVICE if open_already else FALSE) if isinstance(one, ServiceCondition)
        else UNKNOWN if open_already else FALSE
        for one in conditions
    ]  # fmt: skip
    if not terms and not any(isinstance(one, ServiceCondition | ForecastCondition) for one in conditions):
        return None
    return judge(row.rule.condition, [(terms or {}).get(number, result) for number, result in enumerate(absent)])


def explained(made: StateStep, result: ConditionResult) -> StateStep:
    """Return a step with a better reason where an alert ends because what it was about has gone."""
    note = result.note or ""
    return replace(made, why=note) if made.resolves and note.startswith(GONE) else made
