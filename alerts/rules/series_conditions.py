"""Conditions on metrics with instances: the rule is evaluated for each instance of a device separately."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from alerts.rules.condition_base import Minutes, Number, Strict, field_fault, storable
from core.series import CUSTOM, MAX_INSTANCE, MAX_METRIC, SERIES_BY_NAME, instance_name
from core.text import like_literal

MAX_PICKED = 50

Instance = Annotated[str, Field(max_length=MAX_INSTANCE), AfterValidator(storable)]
Instances = Instance | Annotated[list[Instance], Field(min_length=1, max_length=MAX_PICKED)]


def known_metric(name: str) -> str:
    """Return `name`; raises ValueError if no metric with instances has it."""
    if name not in SERIES_BY_NAME and not name.startswith(CUSTOM):
        raise ValueError(f"is no metric with instances; there are {', '.join(SERIES_BY_NAME)} and your own custom.*")
    return storable(name)


class PicksInstances(Strict):
    """The instances to evaluate: a name, a name with `*` for any characters, or a list; `*` alone is all."""

    metric: Annotated[str, Field(max_length=MAX_METRIC), AfterValidator(known_metric)]
    instance: Instances
    except_instances: Annotated[list[Instance], Field(max_length=MAX_PICKED, default_factory=list)]

    def includes(self) -> list[str]:
        """Return the picked names as patterns of LIKE."""
        names = [self.instance] if isinstance(self.instance, str) else self.instance
        return [as_like(name) for name in names]

    def excludes(self) -> list[str]:
        """Return the excepted names as patterns of LIKE."""
        return [as_like(name) for name in self.except_instances]

    def picked_in_words(self) -> str:
        """Return metric and instances in words."""
        names = self.instance if isinstance(self.instance, str) else ", ".join(self.instance)
        without = f" except {', '.join(self.except_instances)}" if self.except_instances else ""
        return f"{self.metric} of {names or 'the device'}{without}"


class SeriesCondition(PicksInstances):
    """A metric of an instance beyond a threshold for some minutes; of a counter its rate per second.

    The other fields are those of a condition on a column.
    """

    operator: Literal[">", ">=", "<", "<="]
    threshold: Number
    duration_minutes: Minutes = 5
    aggregate: Literal["all", "avg", "min", "max", "last", "share"] = "all"
    share_percent: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)] | None = None
    recovery_threshold: Number | None = None

    @model_validator(mode="after")
    def fits(self) -> Self:
        """Refuse thresholds outside the metric, a recovery on the wrong side, and a share without its percentage."""
        definition = SERIES_BY_NAME.get(self.metric)
        if definition and not definition.minimum <= self.threshold <= definition.maximum:
            raise field_fault("threshold", f"{self.metric} lies in {definition.minimum:g}..{definition.maximum:g}")
        if self.recovery_threshold is not None:
            below = self.operator in (">", ">=")
            if (self.recovery_threshold > self.threshold) if below else (self.recovery_threshold < self.threshold):
                raise field_fault("recovery_threshold", f"must lie at or {'below' if below else 'above'} the threshold")
        if (self.aggregate == "share") != (self.share_percent is not None):
            raise field_fault("share_percent", "is required with aggregate share, and allowed only with it")
        return self

    def in_words(self) -> str:
        which = self.aggregate if self.share_percent is None else f"{self.share_percent:g} % of samples"
        definition = SERIES_BY_NAME.get(self.metric)
        unit = f" {definition.shown_unit}" if definition else ""
        over = f"{which} {self.operator} {self.threshold:g}{unit} for {self.duration_minutes:g} min"
        return f"{self.picked_in_words()}: {over}"


class SeriesChangeCondition(PicksInstances):
    """A metric of an instance that has risen by `change_by` within some minutes (negative: fallen)."""

    change_by: Number
    within_minutes: Minutes = 60

    @model_validator(mode="after")
    def moves(self) -> Self:
        """Refuse a change by zero."""
        if self.change_by == 0:
            raise field_fault("change_by", "must not be 0")
        return self

    def in_words(self) -> str:
        return f"{self.picked_in_words()}: {self.change_by:+g} within {self.within_minutes:g} min"


class SeriesForecastCondition(PicksInstances):
    """A metric of an instance that, at its present growth, reaches a value within some days (as ForecastCondition)."""

    reaches: Number = 100
    within_days: Annotated[float, Field(gt=0, le=365, allow_inf_nan=False)]

    def in_words(self) -> str:
        return f"{self.picked_in_words()}: reaches {self.reaches:g} within {self.within_days:g} days"


class SeriesBaselineCondition(PicksInstances):
    """A metric of an instance that differs from its own baseline of this hour of the week.

    The fields are those of a baseline of a column. A counter is compared by its rate per second.
    """

    deviations: Annotated[float, Field(gt=0, le=100, allow_inf_nan=False)]
    floor: Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False)]
    duration_minutes: Minutes = 15

    def in_words(self) -> str:
        return f"{self.picked_in_words()}: beyond {self.deviations:g} deviations of the usual at this hour"


def as_like(name: str) -> str:
    """Return a name as a pattern of LIKE: `*` stands for any characters, all else for itself."""
    return "%".join(like_literal(part) for part in instance_name(name).split("*"))
