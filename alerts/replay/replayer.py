"""Runs rules over many instants at once: the same SQL and the same machine as live, for backtests and rule tests."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from alerts.query.results import FALSE, Place, Terms, judge
from alerts.query.runner import run_queries
from alerts.query.term_queries import EvaluationRequest
from alerts.rules.conditions import terms_of
from alerts.rules.terms import Rule
from alerts.state.machine import INACTIVE, AlertState, Transition, step
from db.hypertables.policies import Level
from db.pools import Source

Muted = Callable[[UUID, datetime], bool]  # device, instant


def never(device_id: UUID, at: datetime) -> bool:
    """Return False: nothing is muted."""
    del device_id, at
    return False


class Replay:
    """Evaluates rules over the past in pieces; between the pieces only their states are kept.

    `level` and `tenant` are those of an `EvaluationRequest`; `muted` returns whether nothing may begin to fire on a
    device at an instant (UTC).
    """

    def __init__(
        self, rules: Sequence[Rule], tenant: UUID | None = None, level: Level | None = None, muted: Muted = never
    ) -> None:
        self._rules = {rule.id: rule for rule in rules}
        self._tenant, self._level, self._muted = tenant, level, muted
        self.states: dict[Place, AlertState] = {}

    async def go_on(self, connection: Source, instants: Sequence[datetime]) -> list[Transition]:
        """Return what would have changed, had the rules been evaluated at each of these instants (UTC, in order)."""
        question = EvaluationRequest(instants, self._tenant, everything=True, level=self._level)
        places = (await run_queries(connection, self._rules.values(), question)).by_place(self._rules)
        transitions: list[Transition] = []
        for place in places.keys() | self.states.keys():
            transitions += self._run(place, places.get(place, {}), instants)
        return sorted(transitions, key=lambda transition: transition.at)

    def _run(self, place: Place, results: Mapping[datetime, Terms], instants: Sequence[datetime]) -> list[Transition]:
        """Run the state machine over the instants for one rule in one place."""
        rule, device_id = self._rules[place[0]], place[1]
        numbers = range(len(terms_of(rule.condition)))
        current, transitions = self.states.pop(place, INACTIVE), []
        for at in instants:
            if at not in results and current.state == "inactive":
                continue
            terms = results.get(at, {})
            result = judge(rule.condition, [terms.get(number, FALSE) for number in numbers])
            muted = bool(result.breached) and self._muted(device_id, at)
            transition = step(place, current, result, at, rule.keep_firing, muted=muted)
            if transition.changed:
                transitions.append(transition)
            current = transition.after
        if current.state != "inactive":
            self.states[place] = current
        return transitions


async def replay(
    connection: Source, rules: Sequence[Rule], instants: Sequence[datetime], tenant: UUID | None = None,
    level: Level | None = None,
) -> list[Transition]:  # fmt: skip
    """Return what would have changed, had these rules been evaluated at each of these instants (UTC, in order)."""
    return await Replay(rules, tenant, level).go_on(connection, instants)
