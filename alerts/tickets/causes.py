"""The cause that a rule detects on a device: rules with the same cause share a ticket there."""

from alerts.rules.conditions import (
    BaselineCondition,
    ChangeCondition,
    Condition,
    ForecastCondition,
    MetricCondition,
    NoDataCondition,
    OfflineCondition,
    terms_of,
)
from alerts.rules.loader import RuleRow
from alerts.rules.series_conditions import (
    SeriesBaselineCondition,
    SeriesChangeCondition,
    SeriesCondition,
    SeriesForecastCondition,
)


def cause_of(row: RuleRow) -> str | None:
    """Return a name of the cause, as `disk high`, or `disk.percent high` where instances have it.

    None for a rule about several things or about services.
    """
    causes = {cause_of_condition(term) for term in terms_of(row.rule.condition)}
    return causes.pop() if len(causes) == 1 else None


def cause_of_condition(condition: Condition) -> str | None:
    """Return the cause of one condition: the resource and the direction, or silence."""
    match condition:
        case NoDataCondition() | OfflineCondition():
            return "silence"
        case MetricCondition():
            return resource_direction(condition.metric, is_high=condition.operator in (">", ">="))
        case ChangeCondition():
            return resource_direction(condition.metric, is_high=condition.change_by > 0)
        case ForecastCondition() | BaselineCondition():
            return resource_direction(condition.metric, is_high=True)
        case SeriesCondition():
            return f"{condition.metric} {direction(is_high=condition.operator in ('>', '>='))}"
        case SeriesChangeCondition():
            return f"{condition.metric} {direction(is_high=condition.change_by > 0)}"
        case SeriesForecastCondition() | SeriesBaselineCondition():
            return f"{condition.metric} {direction(is_high=True)}"
        case _:
            return None


def resource_direction(metric: str, *, is_high: bool) -> str:
    """Return the resource of a metric (`disk` of `disk_percent` and `disk_used_gb`) with the direction."""
    return f"{metric.partition('_')[0]} {direction(is_high=is_high)}"


def direction(*, is_high: bool) -> str:
    return "high" if is_high else "low"
