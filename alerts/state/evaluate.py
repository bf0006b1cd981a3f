"""One pass over all rules: results → transitions → rows. The clock is an argument; everything is one transaction.

1. Take the turn; another worker, or the same instant again, changes nothing.
2. Read the rules and evaluate their conditions (`alerts/query/isolated.py`).
3. In each place where a rule has begun or is open: one step of the machine (`transitions.py`, `machine.py`).
4. Write the transitions, states, alerts, tickets and notifications (`apply.py`).

A rule, window, device or change that fails is postponed (`db/isolation.py`), and the others continue.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from alerts.query.isolated import evaluate_isolated
from alerts.query.results import Place
from alerts.query.term_queries import EvaluationRequest
from alerts.rules.loader import KeptRules, Rules, note_faults, read_changed_rules
from alerts.silences.schedule import read_silences
from alerts.state.apply import apply_transitions
from alerts.state.broken_rules import end_alerts_of_missing_rules, forget_errors
from alerts.state.machine import AlertState, Transition
from alerts.state.transitions import find_transitions
from alerts.state.unmeasured import end_unmeasured
from db.isolation import Isolated, in_halves
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "evaluate.sql")

log = logging.getLogger(__name__)

KEPT = KeptRules()  # of this process, whichever database it evaluates
UNMEASURED_AFTER = timedelta(days=3)
AWAY_AFTER = timedelta(minutes=10)  # a longer pause between evaluations means that the server was down


@dataclass(frozen=True, slots=True)
class Pass:
    """The result of an evaluation: its numbers, for the log and the metrics."""

    rules: int
    statements: int
    changed: int
    seconds: float


async def evaluate(
    connection: Connection, now: datetime, unmeasured_after: timedelta = UNMEASURED_AFTER
) -> Pass | None:
    """Evaluate every rule at `now` (UTC); None if another worker has the turn or the instant is done.

    `unmeasured_after`: time after which an alert ends if its device uploads but no longer measures its metric; zero:
    never.
    """
    began = time.perf_counter()
    async with connection.transaction():
        turn = await connection.fetchrow(*QUERIES.bind("begin_pass", now=now, away_after=AWAY_AFTER))
        if turn is None:
            return None
        await connection.execute(QUERIES["plan_for_fleets"])
        await connection.execute(QUERIES["bound_waits"])
        rules = await read_changed_rules(connection, KEPT)
        isolated = await Isolated(connection, "alerts", now).read()
        await note_faults(connection, rules, now, isolated)
        await isolated.attempt("errors", partial(forget_errors, connection, rules.faults))
        await end_alerts_of_missing_rules(connection, rules.faults, now)
        question = EvaluationRequest([now], unsure_until=turn["unsure_until"])
        evaluated = await evaluate_isolated(connection, rules.in_force, question, isolated)
        states = await read_states(connection, rules)
        mutes = await read_silences(connection, now, isolated)
        transitions = await find_transitions(rules, evaluated, states, mutes, isolated)

        async def unmeasured() -> list[Transition]:
            return await end_unmeasured(connection, states, transitions, now, unmeasured_after)

        transitions += await isolated.attempt("unmeasured", unmeasured) or []
        await apply_apart(connection, rules, transitions, isolated)
        await isolated.forget_others()
        done = Pass(len(rules.rows), evaluated.results.statements, len(transitions), time.perf_counter() - began)
        await connection.execute(
            *QUERIES.bind(
                "end_pass", seconds=done.seconds, statements=done.statements, rules=done.rules, changes=done.changed
            )
        )
    return done


async def read_states(connection: Connection, rules: Rules) -> dict[Place, AlertState]:
    """Return the states of rules by place, without those that remain from a change between devices and instances."""
    rows = await connection.fetch(*QUERIES.bind("read_states", rules=list(rules.rows)))
    return {
        (row["agent_alert_id"], row["agent_device_id"], row["instance"]): AlertState(
            row["state"], row["since"], row["has_moved"], row["is_gone"]
        )
        for row in rows
        if bool(row["instance"]) == rules.rows[row["agent_alert_id"]].rule.has_instances
    }


async def apply_apart(
    connection: Connection, rules: Rules, transitions: Sequence[Transition], isolated: Isolated
) -> None:
    """Write the effects of the transitions; one that fails is tried again in the next pass."""

    async def write(some: Sequence[Transition]) -> None:
        await apply_transitions(connection, rules.rows, some)

    for one, error in await in_halves(connection, transitions, write):
        await isolated.note(f"change:{one.rule_id}:{one.device_id}", error)
