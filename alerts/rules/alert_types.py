"""The type of an alert when its rule names none: what the condition is about, as agents and portals compare it."""

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
    """Return the type with the metric's name as it stands in the condition."""
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
