"""Results of conditions on a device at an instant, and their combination to the result of a rule.

Three-valued: None is unknown (too few samples, no fresh ones). `all` and `any` follow Kleene's logic: false and unknown
is false, true or unknown is true; any other combination with unknown is unknown.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from alerts.rules.conditions import AllOf, AnyOf, Condition
from alerts.rules.terms import Rule

Verdict = bool | None
Place = tuple[UUID, UUID, str]  # rule, device, instance; "" is the device itself
Key = tuple[UUID, UUID, datetime]  # rule, device, instant
InstanceKey = tuple[UUID, UUID, str, datetime]  # rule, device, instance, instant


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """One condition on one device at one instant.

    `breached`: it holds over the whole window. `begun`: its newest sample is beyond the threshold. `holding`: it has
    not returned behind its recovery threshold. `value` was compared with `threshold`, in the unit of the metric.
    """

    breached: Verdict
    begun: Verdict
    holding: Verdict
    value: float | None = None
    threshold: float | None = None
    note: str | None = None


Terms = Mapping[int, ConditionResult]  # results of a rule's terms, by their number


@dataclass(slots=True)
class ResultsByKey:
    """The results of terms, by their number, for each rule, device (and instance) and instant."""

    of: dict[Key, dict[int, ConditionResult]] = field(default_factory=lambda: defaultdict(dict))
    of_instances: dict[InstanceKey, dict[int, ConditionResult]] = field(default_factory=lambda: defaultdict(dict))
    statements: int = 0

    def by_place(self, rules: Mapping[UUID, Rule]) -> dict[Place, dict[datetime, Terms]]:
        """Return the results by place, then by instant.

        A condition on the device in a rule on instances counts for each of its instances.
        """
        places: dict[Place, dict[datetime, Terms]] = defaultdict(dict)
        on_instances = {rule_id for rule_id, rule in rules.items() if rule.has_instances}
        for (rule_id, device_id, at), terms in self.of.items():
            if rule_id not in on_instances:
                places[rule_id, device_id, ""][at] = terms
        for (rule_id, device_id, instance, at), terms in self.of_instances.items():
            places[rule_id, device_id, instance][at] = self.of.get((rule_id, device_id, at), {}) | terms
        return places


UNKNOWN = ConditionResult(None, None, None)
FALSE = ConditionResult(breached=False, begun=False, holding=False)


def judge(condition: Condition, results: Sequence[ConditionResult]) -> ConditionResult:
    """Return the result of a tree of conditions from the results of its single conditions, in order."""
    remaining = iter(results)

    def result_of(part: Condition) -> ConditionResult:
        if isinstance(part, AllOf):
            return merge([result_of(inner) for inner in part.all], kleene_and)
        if isinstance(part, AnyOf):
            return merge([result_of(inner) for inner in part.any], kleene_or)
        return next(remaining)

    return result_of(condition)


def merge(results: list[ConditionResult], combine: Callable[[Iterable[Verdict]], Verdict]) -> ConditionResult:
    """Combine the verdicts of several conditions; the value shown is that of the first that counts."""
    shown = next(
        (result for result in results if result.breached),
        next((result for result in results if result.begun), results[0]),
    )
    return ConditionResult(
        combine(result.breached for result in results), combine(result.begun for result in results),
        combine(result.holding for result in results), shown.value, shown.threshold, shown.note,
    )  # fmt: skip


def kleene_and(verdicts: Iterable[Verdict]) -> Verdict:
    outcomes = list(verdicts)
    if any(verdict is False for verdict in outcomes):
        return False
    return None if None in outcomes else True


def kleene_or(verdicts: Iterable[Verdict]) -> Verdict:
    outcomes = list(verdicts)
    if any(outcomes):
        return True
    return None if None in outcomes else False
