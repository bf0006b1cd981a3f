"""What is known of a rule's conditions on one device at one instant, and what follows for the whole rule.

Three-valued: None is unknown (too few samples, no fresh ones). `all` and `any` follow Kleene: false and unknown is
false, true or unknown is true; otherwise the unknown wins.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from alerts.rules.conditions import AllOf, AnyOf, Condition

Verdict = bool | None
Place = tuple[UUID, UUID, str]  # rule, device, instance; "" is the device itself


@dataclass(frozen=True, slots=True)
class ConditionResult:
    """One condition on one device at one instant.

    `breached`: it holds in full. `begun`: its newest sample is beyond the threshold. `holding`: it isn't back behind
    its recovery threshold. `value` is what was compared with `threshold`.
    """

    breached: Verdict
    begun: Verdict
    holding: Verdict
    value: float | None = None
    threshold: float | None = None
    note: str | None = None


UNKNOWN = ConditionResult(None, None, None)
FALSE = ConditionResult(breached=False, begun=False, holding=False)


def judge(condition: Condition, facts: Sequence[ConditionResult]) -> ConditionResult:
    """Return what holds of a whole tree, given the facts of its single conditions in order."""
    remaining = iter(facts)

    def result_of(part: Condition) -> ConditionResult:
        if isinstance(part, AllOf):
            return merge([result_of(inner) for inner in part.all], kleene_and)
        if isinstance(part, AnyOf):
            return merge([result_of(inner) for inner in part.any], kleene_or)
        return next(remaining)

    return result_of(condition)


def merge(facts: list[ConditionResult], combine: Callable[[Iterable[Verdict]], Verdict]) -> ConditionResult:
    """Combine the verdicts of several conditions; the value shown is that of the first that counts."""
    shown = next(
        (result for result in facts if result.breached), next((result for result in facts if result.begun), facts[0])
    )
    return ConditionResult(
        combine(result.breached for result in facts), combine(result.begun for result in facts),
        combine(result.holding for result in facts), shown.value, shown.threshold, shown.note,
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
