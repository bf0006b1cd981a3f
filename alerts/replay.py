"""Runs rules over many instants at once: the same SQL and the same machine as live, for backtests and rule tests."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from alerts.facts import UNKNOWN, Fact, judge
from alerts.gather import Facts, Question, gather
from alerts.leaves import Rule, leaves_of_rule
from alerts.machine import INACTIVE, Step, step
from db.pools import Connection


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a rule's state on a device."""

    rule_id: UUID
    device_id: UUID
    at: datetime
    step: Step
    fact: Fact


async def replay(
    connection: Connection, rules: Sequence[Rule], instants: Sequence[datetime], tenant: UUID | None = None
) -> list[Transition]:
    """Return what would have changed, had these rules been evaluated at each of these instants (UTC, in order)."""
    facts = await gather(connection, rules, Question(instants, tenant, everything=True))
    by_id = {rule.id: rule for rule in rules}
    transitions: list[Transition] = []
    for (rule_id, device_id), known in by_pair(facts).items():
        transitions += run(by_id[rule_id], device_id, known, instants)
    return sorted(transitions, key=lambda transition: transition.at)


def by_pair(facts: Facts) -> dict[tuple[UUID, UUID], dict[datetime, dict[int, Fact]]]:
    """Return facts by rule and device, then by instant."""
    pairs: dict[tuple[UUID, UUID], dict[datetime, dict[int, Fact]]] = defaultdict(dict)
    for (rule_id, device_id, at), leaves in facts.of.items():
        pairs[rule_id, device_id][at] = leaves
    return pairs


def run(
    rule: Rule, device_id: UUID, known: dict[datetime, dict[int, Fact]], instants: Iterable[datetime]
) -> list[Transition]:
    """Let the machine go through the instants for one rule on one device."""
    numbers = range(len(leaves_of_rule(rule)))
    situation, transitions = INACTIVE, []
    for at in instants:
        leaves = known.get(at, {})
        fact = judge(rule.condition, [leaves.get(number, UNKNOWN) for number in numbers])
        made = step(situation, fact, at, rule.keep_firing)
        if made.changed:
            transitions.append(Transition(rule.id, device_id, at, made, fact))
        situation = made.after
    return transitions
