"""The default alert type of a condition, and its cause, by which alerts share a ticket."""

from alerts.rules.conditions import (
    AllOf,
    AnyOf,
    BaselineCondition,
    ChangeCondition,
    Condition,
    ForecastCondition,
    MetricCondition,
    NoDataCondition,
    OfflineCondition,
    terms_of,
)
from alerts.rules.series_conditions import (
    SeriesBaselineCondition,
    SeriesChangeCondition,
    SeriesCondition,
    SeriesForecastCondition,
)


def alert_type_of(condition: Condition) -> str:
    """Return the type that follows from a condition: `cpu_percent_high`, `service_down`, `combined`."""
    return type_with_dots(condition).replace(".", "_")


def type_with_dots(condition: Condition) -> str:
    """Return the type with the name of the metric as in the condition, dots included."""
    match condition:
        case MetricCondition(metric=metric, operator=operator) | SeriesCondition(metric=metric, operator=operator):
            return f"{metric}_high" if operator in (">", ">=") else f"{metric}_low"
        case ChangeCondition(metric=metric, change_by=change) | SeriesChangeCondition(metric=metric, change_by=change):
            return f"{metric}_rising" if change > 0 else f"{metric}_falling"
        case ForecastCondition(metric=metric) | SeriesForecastCondition(metric=metric):
            return f"{metric}_forecast"
        case BaselineCondition(metric=metric) | SeriesBaselineCondition(metric=metric):
            return f"{metric}_unusual"
        case NoDataCondition():
            return "no_data"
        case OfflineCondition():
            return "offline"
        case AllOf() | AnyOf():
            return "combined"
    return "service_down"


def cause_of(condition: Condition) -> str | None:
    """Return the cause that a rule detects on a device: rules with the same cause share a ticket there.

    `disk high`, or `disk.percent high` for instances; None for several causes and for services.
    """
    causes = {cause_of_term(term) for term in terms_of(condition)}
    return causes.pop() if len(causes) == 1 else None


def cause_of_term(condition: Condition) -> str | None:
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
