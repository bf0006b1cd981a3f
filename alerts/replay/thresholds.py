"""One rule with several thresholds, and the conditions that a backtest can evaluate."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import ValidationError

from alerts.rules.conditions import (
    BaselineCondition,
    ChangeCondition,
    Condition,
    ForecastCondition,
    MetricCondition,
    NoDataCondition,
    OfflineCondition,
    ServiceCondition,
    parse_condition,
    terms_of,
)
from alerts.rules.series_conditions import (
    SeriesBaselineCondition,
    SeriesChangeCondition,
    SeriesCondition,
    SeriesForecastCondition,
)
from core.errors import RtsError

# The fields of conditions that hold a threshold.
FIELDS: dict[type[Any], str] = {
    MetricCondition: "threshold", ChangeCondition: "change_by", BaselineCondition: "deviations",
    SeriesCondition: "threshold", SeriesChangeCondition: "change_by", SeriesForecastCondition: "reaches",
    SeriesBaselineCondition: "deviations",
    NoDataCondition: "no_data_minutes", OfflineCondition: "offline_minutes",
}  # fmt: skip


class NotInThePastError(RtsError):
    """A condition of this rule cannot be backtested: only its newest state is stored."""

    code: ClassVar[str] = "cant_be_backtested"
    status: ClassVar[int] = 422


class ThresholdsDontFitError(RtsError):
    """Thresholds require a rule with exactly one condition with a threshold, and must be within its bounds."""

    code: ClassVar[str] = "thresholds_dont_fit"
    status: ClassVar[int] = 422


def check_past(condition: Condition) -> None:
    """Raise NotInThePastError naming the conditions whose past states are not stored."""
    unknown = [term for term in terms_of(condition) if isinstance(term, ServiceCondition | ForecastCondition)]
    if unknown:
        named = [term.in_words() for term in unknown]
        message = f"Only the newest state of this is stored, so it cannot be backtested: {'; '.join(named)}."
        raise NotInThePastError(message, details={"conditions": named})


def describe_differences(condition: Condition, bucket: timedelta) -> list[str]:
    """Return the differences between a backtest and live evaluation, as sentences."""
    width = f"{bucket.total_seconds() / 60:g} minutes"
    notes = [
        f"Samples are read from rollups of {width}: windows are rounded up to them, and of several samples in one the "
        "mean is the last.",
        "Devices, maintenance windows and hours are those of today; tickets are counted for each device or instance, "
        "not grouped.",
    ]
    terms = terms_of(condition)
    for term in terms:
        if isinstance(term, OfflineCondition):
            notes.append(f"{term.in_words()}: judged by samples, because earlier heartbeats are not kept.")
        if isinstance(term, BaselineCondition | SeriesBaselineCondition):
            notes.append(f"{term.in_words()}: compared with today's baseline, which includes the tested days.")
        if isinstance(term, SeriesForecastCondition):
            notes.append(f"{term.in_words()}: by the growth up to the beginning of each hour.")
        if isinstance(term, MetricCondition | SeriesCondition) and term.aggregate == "share":
            notes.append(f"{term.in_words()}: the share of rollups of {width} by their means.")
    return notes


def variants(condition: Condition, thresholds: Sequence[float]) -> list[tuple[float | None, Condition]]:
    """Return the condition with each threshold, or unchanged without thresholds; raises ThresholdsDontFitError."""
    if not thresholds:
        return [(threshold_of(condition), condition)]
    field = threshold_field(condition)
    if field is None:
        raise ThresholdsDontFitError
    try:
        return [(threshold, with_threshold(condition, field, threshold)) for threshold in dict.fromkeys(thresholds)]
    except ValidationError as error:
        faults = [fault["msg"] for fault in error.errors(include_url=False)]
        raise ThresholdsDontFitError(details=faults) from error


def threshold_field(condition: Condition) -> str | None:
    """Return the field of a rule that is its threshold; None if there is none or more than one."""
    fields = [FIELDS[type(term)] for term in terms_of(condition) if type(term) in FIELDS]
    return fields[0] if len(fields) == 1 else None


def threshold_of(condition: Condition) -> float | None:
    """Return the present threshold of a rule; None if it has none or more than one."""
    field = threshold_field(condition)
    thresholds = (getattr(term, field, None) for term in terms_of(condition)) if field else iter(())
    return next((value for value in thresholds if value is not None), None)


def with_threshold(condition: Condition, field: str, threshold: float) -> Condition:
    """Return a condition with another threshold; a recovery threshold keeps its distance."""
    document = condition.model_dump(exclude_none=True)
    set_threshold(document, field, threshold)
    return parse_condition(document)


def set_threshold(document: dict[str, Any], field: str, value: float) -> None:
    """Write a field into the JSON of a condition."""
    for inner in [*document.get("all", ()), *document.get("any", ())]:
        set_threshold(inner, field, value)
    if field in document:
        if "recovery_threshold" in document:
            document["recovery_threshold"] += value - document[field]
        document[field] = value
