"""The conditions of rules, as models with helpful error messages: one condition, or `all` / `any` of several.

The basic form is `{"metric", "operator", "threshold", "duration_minutes"}`; the other forms extend it. A condition
evaluates the samples of the last `duration_minutes` by the device's own time (collected_at).
"""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import AfterValidator, Discriminator, Field, Tag, TypeAdapter, model_validator

from alerts.rules.condition_base import MAX_MINUTES, Minutes, Number, Strict, field_fault, storable
from alerts.rules.series_conditions import (
    SeriesBaselineCondition,
    SeriesChangeCondition,
    SeriesCondition,
    SeriesForecastCondition,
)
from core.metrics import BY_NAME, GAUGES

if TYPE_CHECKING:
    MetricName = str
else:  # type checkers cannot evaluate the catalogue
    MetricName = Literal[tuple(metric.name for metric in GAUGES)]
Operator = Literal[">", ">=", "<", "<="]
MAX_TERMS, MAX_DEPTH = 10, 4


class MetricCondition(Strict):
    """A metric beyond a threshold for some minutes.

    `aggregate` selects the value compared: `all` samples (the default), their avg, min or max, the last one, or
    `share`: the percentage of samples beyond the threshold, which must reach `share_percent`. An alert that has fired
    continues until the metric is back behind `recovery_threshold` (default: the threshold).
    """

    metric: MetricName
    operator: Operator
    threshold: Number
    duration_minutes: Minutes = 5
    aggregate: Literal["all", "avg", "min", "max", "last", "share"] = "all"
    share_percent: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = None
    recovery_threshold: Number | None = None

    @model_validator(mode="after")
    def fits(self) -> Self:
        """Refuse thresholds outside the metric, a recovery on the wrong side, and a share without its percentage."""
        maximum = BY_NAME[self.metric].maximum
        if not 0 <= self.threshold <= maximum:
            raise field_fault("threshold", f"{self.metric} lies in 0..{maximum:g}")
        if self.recovery_threshold is not None:
            below = self.operator in (">", ">=")
            if (self.recovery_threshold > self.threshold) if below else (self.recovery_threshold < self.threshold):
                side = "at or below" if below else "at or above"
                raise field_fault("recovery_threshold", f"must lie {side} the threshold")
        if (self.aggregate == "share") != (self.share_percent is not None):
            raise field_fault("share_percent", "is required with aggregate share, and allowed only with it")
        return self

    def in_words(self) -> str:
        """Return the condition in words: `cpu_percent: all > 90 percent for 10 min`."""
        which = self.aggregate if self.share_percent is None else f"{self.share_percent:g} % of samples"
        unit = BY_NAME[self.metric].unit
        return f"{self.metric}: {which} {self.operator} {self.threshold:g} {unit} for {self.duration_minutes:g} min"


class NoDataCondition(Strict):
    """No sample at all for some minutes."""

    no_data_minutes: Minutes

    def in_words(self) -> str:
        return f"no data for {self.no_data_minutes:g} min"


class OfflineCondition(Strict):
    """Neither heartbeat nor upload for some minutes."""

    offline_minutes: Minutes

    def in_words(self) -> str:
        return f"offline for {self.offline_minutes:g} min"


class ServiceCondition(Strict):
    """A service that should be running isn't, for some minutes; `*` is any that should."""

    service: Annotated[str, Field(min_length=1, max_length=255), AfterValidator(storable)]
    duration_minutes: Annotated[float, Field(ge=0, le=MAX_MINUTES, allow_inf_nan=False)] = 0

    def in_words(self) -> str:
        return f"service {self.service} not running for {self.duration_minutes:g} min"


class ChangeCondition(Strict):
    """A metric that has risen by `change_by` (negative: fallen) from the first to the last sample of some minutes."""

    metric: MetricName
    change_by: Number
    within_minutes: Minutes = 60

    @model_validator(mode="after")
    def moves(self) -> Self:
        """Refuse a change by zero."""
        if self.change_by == 0:
            raise field_fault("change_by", "must not be 0")
        return self

    def in_words(self) -> str:
        return f"{self.metric}: {self.change_by:+g} within {self.within_minutes:g} min"


class ForecastCondition(Strict):
    """A metric that, at its present growth, reaches a value within some days.

    The growth is the median of the slopes between its daily maxima (Theil-Sen) since the last big drop, so a clean-up
    does not hide it. With fewer than five days since that drop the result is unknown.
    """

    metric: MetricName = "disk_percent"
    reaches: Number = 100
    within_days: Annotated[float, Field(gt=0, le=365, allow_inf_nan=False)]

    def in_words(self) -> str:
        return f"{self.metric}: reaches {self.reaches:g} within {self.within_days:g} days"


class BaselineCondition(Strict):
    """A metric that differs from its baseline of this hour of the week by `deviations`, and by at least `floor`.

    The baseline is the median of that hour in the last weeks; a deviation is 1.4826 times the median distance from it.
    It needs three weeks of data.
    """

    metric: MetricName
    deviations: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
    floor: Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
    duration_minutes: Minutes = 15

    def in_words(self) -> str:
        return f"{self.metric}: beyond {self.deviations:g} deviations of the usual at this hour"


class AllOf(Strict):
    """All of several conditions hold."""

    all: Annotated[list["Condition"], Field(min_length=1, max_length=MAX_TERMS)]

    def in_words(self) -> str:
        return " and ".join(inner.in_words() for inner in self.all)


class AnyOf(Strict):
    """At least one of several conditions holds."""

    any: Annotated[list["Condition"], Field(min_length=1, max_length=MAX_TERMS)]

    def in_words(self) -> str:
        return " or ".join(inner.in_words() for inner in self.any)


# The model of a condition, by a field that only this model has.
KIND_BY_FIELD = (
    ("all", "all"), ("any", "any"), ("no_data_minutes", "no_data"), ("offline_minutes", "offline"),
    ("service", "service"), ("change_by", "change"), ("within_days", "forecast"), ("deviations", "baseline"),
)  # fmt: skip


INSTANCE_KINDS = {
    "metric": "series", "change": "series_change", "forecast": "series_forecast", "baseline": "series_baseline"
}  # fmt: skip


def kind_of(value: Any) -> str:
    """Return the kind of a condition; without a distinguishing field it is `metric`."""
    fields = value if isinstance(value, dict) else getattr(value, "__dict__", {})
    kind = next((kind for field, kind in KIND_BY_FIELD if field in fields), "metric")
    return INSTANCE_KINDS.get(kind, kind) if "instance" in fields else kind


Condition = Annotated[
    Annotated[MetricCondition, Tag("metric")]
    | Annotated[NoDataCondition, Tag("no_data")]
    | Annotated[OfflineCondition, Tag("offline")]
    | Annotated[ServiceCondition, Tag("service")]
    | Annotated[ChangeCondition, Tag("change")]
    | Annotated[ForecastCondition, Tag("forecast")]
    | Annotated[BaselineCondition, Tag("baseline")]
    | Annotated[SeriesCondition, Tag("series")]
    | Annotated[SeriesChangeCondition, Tag("series_change")]
    | Annotated[SeriesForecastCondition, Tag("series_forecast")]
    | Annotated[SeriesBaselineCondition, Tag("series_baseline")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")],
    Discriminator(kind_of),
]
AllOf.model_rebuild()
AnyOf.model_rebuild()
CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


def depth_of(value: Any, limit: int = 50) -> int:
    """Return the nesting depth of conditions of any origin, at most `limit`."""
    inner = [*as_list(value, "all"), *as_list(value, "any")]
    if limit == 0 or not inner:
        return 1
    return 1 + max(depth_of(one, limit - 1) for one in inner)


def as_list(value: Any, name: str) -> list[Any]:
    """Return a list field of a JSON object, [] where there is none."""
    parts = value.get(name) if isinstance(value, dict) else None
    return parts if isinstance(parts, list) else []


def parse_condition(value: Any) -> "Condition":
    """Return the condition of a JSON document; raises pydantic's ValidationError, or ValueError for one too large."""
    if depth_of(value) > MAX_DEPTH:
        raise ValueError(f"conditions are nested more than {MAX_DEPTH} levels deep")
    condition = CONDITION.validate_python(value)
    if len(terms_of(condition)) > MAX_TERMS:
        raise ValueError(f"a rule has at most {MAX_TERMS} conditions")
    return condition


def terms_of(condition: "Condition") -> list["Condition"]:
    """Return the single conditions of a tree, in order."""
    if isinstance(condition, AllOf):
        return [term for inner in condition.all for term in terms_of(inner)]
    if isinstance(condition, AnyOf):
        return [term for inner in condition.any for term in terms_of(inner)]
    return [condition]
