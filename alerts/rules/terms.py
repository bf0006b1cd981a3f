"""A rule's single conditions in the form that the SQL compares: the feature, its window, and the thresholds."""

from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache
from typing import Any, Literal
from uuid import UUID

import msgspec

from alerts.rules.conditions import (
    BaselineCondition,
    ChangeCondition,
    Condition,
    ForecastCondition,
    MetricCondition,
    NoDataCondition,
    OfflineCondition,
    ServiceCondition,
    terms_of,
)
from alerts.rules.series_conditions import (
    PicksInstances,
    SeriesBaselineCondition,
    SeriesChangeCondition,
    SeriesCondition,
    SeriesForecastCondition,
)
from core.metrics import BY_NAME, Metric

Part = Literal["min", "max", "avg", "last", "change", "share"]
Kind = Literal["metric", "baseline", "no_data", "offline", "service", "forecast", "series", "series_forecast"]

KEPT_FEATURES = 10_000


@dataclass(frozen=True, slots=True)
class Scope:
    """The devices of a rule; None means no restriction."""

    business_id: UUID | None = None
    service_location_id: UUID | None = None
    device_id: UUID | None = None
    device_type: str | None = None


@dataclass(frozen=True, slots=True)
class Feature:
    """A value computed once per device for all rules that compare it: part of a metric over a window.

    Only a share contains its threshold, because it is the share of samples beyond that threshold.
    """

    metric: Metric
    window: timedelta
    part: Part
    beyond: tuple[bool, bool, float] | None = None  # up, strict, threshold: of a share only

    def __hash__(self) -> int:
        """Hash the distinguishing fields only; thousands of rules look their features up at each evaluation."""
        return hash((self.metric.name, self.window, self.part, self.beyond))


@dataclass(frozen=True, slots=True)
class Term:
    """One condition of a rule. `up`: beyond means above; `strict`: being equal isn't beyond.

    `value_threshold` is compared with the feature, `last_threshold` and `recovery` with the newest sample.
    `by_value`: the feature decides whether the alert continues, not the newest sample.
    """

    rule: "Rule"
    number: int
    kind: Kind
    window: timedelta
    up: bool = True
    strict: bool = False
    value_threshold: float = 0.0
    last_threshold: float = 0.0
    recovery: float = 0.0
    by_value: bool = False
    feature: Feature | None = None
    name: str = ""  # of a service, or of the metric of a baseline or forecast
    deviations: float = 0.0
    floor: float = 0.0
    picks: PicksInstances | None = None  # of which instances, for kinds of series
    part: Part = "min"  # the aggregate of a series

    @property
    def is_silence(self) -> bool:
        """Whether it compares how long a device has been silent."""
        return self.kind in ("no_data", "offline")

    @property
    def newest_of(self) -> str | None:
        """The metric whose newest value alone proves that this term has not begun; None if there is none."""
        if self.feature is None or self.by_value or self.kind != "metric":
            return None
        return self.feature.metric.name


@dataclass(frozen=True)
class Rule:
    """A rule in the form that is evaluated: its condition, its scope, and its terms."""

    id: UUID
    reach: Scope
    condition: Condition
    keep_firing: timedelta = timedelta(minutes=5)

    @cached_property
    def terms(self) -> tuple[Term, ...]:
        """Its single conditions, numbered in their order."""
        return tuple(
            series_term(self, number, condition) if isinstance(condition, PicksInstances)
            else make_term(self, number, condition)
            for number, condition in enumerate(terms_of(self.condition))
        )  # fmt: skip

    @cached_property
    def term_texts(self) -> tuple[str, ...]:
        """Its terms as members of JSON objects for the function alert_pairs, all but the number of the feature.

        Rules are kept between evaluations, and so are these.
        """
        return tuple(msgspec.json.encode(members_of(term)).decode()[1:-1] for term in self.terms)

    @cached_property
    def has_instances(self) -> bool:
        """Whether it has a state for each instance of a device rather than for each device."""
        return any(term.picks for term in self.terms)


class RuleList(tuple[Rule, ...]):
    """Rules that are evaluated together; equal only to itself, so that derived data can be cached with it."""

    __slots__ = ()
    __eq__ = object.__eq__
    __hash__ = object.__hash__


def members_of(term: Term) -> dict[str, Any]:
    """Return a term in the form of the function alert_pairs, without members that are null."""
    reach, picks = term.rule.reach, term.picks
    members: dict[str, Any] = {
        "rule_id": term.rule.id, "leaf": term.number, "business_id": reach.business_id,
        "service_location_id": reach.service_location_id, "device_id": reach.device_id,
        "device_type": reach.device_type, "is_up": term.up, "is_strict": term.strict,
        "value_threshold": term.value_threshold, "last_threshold": term.last_threshold, "recovery": term.recovery,
        "by_value": term.by_value, "window_seconds": term.window.total_seconds(), "deviations": term.deviations,
        "floor": term.floor, "newest_of": term.newest_of,
        "name": term.kind if term.is_silence else term.name,
    }  # fmt: skip
    if picks is not None:  # which instances, for the statements on series
        members |= {"part": term.part, "includes": picks.includes(), "excludes": picks.excludes()}
    return {name: value for name, value in members.items() if value is not None}


@lru_cache(KEPT_FEATURES)
def make_feature(
    metric: Metric, window: timedelta, part: Part, beyond: tuple[bool, bool, float] | None = None
) -> Feature:
    """Return a feature, the same object for the same values, because thousands of rules use the same ones."""
    return Feature(metric, window, part, beyond)


def make_term(rule: Rule, number: int, condition: Condition) -> Term:
    """Return one condition in the form of the SQL."""
    match condition:
        case MetricCondition():
            return metric_term(rule, number, condition)
        case ChangeCondition():
            return change_term(rule, number, condition)
        case BaselineCondition():
            window = timedelta(minutes=condition.duration_minutes)
            feature = make_feature(BY_NAME[condition.metric], window, "min")
            return Term(
                rule, number, "baseline", window, feature=feature, name=condition.metric,
                deviations=condition.deviations, floor=condition.floor,
            )  # fmt: skip
        case NoDataCondition():
            return Term(rule, number, "no_data", timedelta(minutes=condition.no_data_minutes))
        case OfflineCondition():
            return Term(rule, number, "offline", timedelta(minutes=condition.offline_minutes))
        case ServiceCondition():
            return Term(rule, number, "service", timedelta(minutes=condition.duration_minutes), name=condition.service)
        case ForecastCondition():
            return Term(
                rule, number, "forecast", timedelta(days=condition.within_days), name=condition.metric,
                value_threshold=condition.reaches,
            )  # fmt: skip
        case _:
            raise TypeError(type(condition))


def metric_term(rule: Rule, number: int, condition: MetricCondition) -> Term:
    """Return a metric's threshold as a term: all samples are above it if their minimum is, below if their maximum."""
    up, strict = condition.operator in (">", ">="), condition.operator in (">", "<")
    window = timedelta(minutes=condition.duration_minutes)
    parts: dict[str, Part] = {"all": "min" if up else "max", "share": "share"}
    part: Part = parts.get(condition.aggregate, condition.aggregate)  # type: ignore[arg-type]
    recovery = condition.threshold if condition.recovery_threshold is None else condition.recovery_threshold
    share = condition.aggregate == "share"
    feature = make_feature(
        BY_NAME[condition.metric], window, part, (up, strict, condition.threshold) if share else None
    )
    return Term(
        rule, number, "metric", window, up=up, strict=strict,
        value_threshold=condition.share_percent or 0.0 if share else condition.threshold,
        last_threshold=condition.threshold, recovery=recovery,
        by_value=condition.aggregate not in ("all", "last"), feature=feature,
    )  # fmt: skip


def change_term(rule: Rule, number: int, condition: ChangeCondition) -> Term:
    """Return a change as a term: the newest value of the window minus its first."""
    window = timedelta(minutes=condition.within_minutes)
    feature = make_feature(BY_NAME[condition.metric], window, "change")
    return Term(
        rule, number, "metric", window, up=condition.change_by > 0, value_threshold=condition.change_by,
        recovery=condition.change_by, by_value=True, feature=feature,
    )  # fmt: skip


def series_term(rule: Rule, number: int, condition: PicksInstances) -> Term:
    if isinstance(condition, SeriesForecastCondition):
        return Term(
            rule, number, "series_forecast", timedelta(days=condition.within_days), name=condition.metric,
            value_threshold=condition.reaches, picks=condition,
        )  # fmt: skip
    if isinstance(condition, SeriesChangeCondition):
        return Term(
            rule, number, "series", timedelta(minutes=condition.within_minutes), up=condition.change_by > 0,
            value_threshold=condition.change_by, recovery=condition.change_by, by_value=True, name=condition.metric,
            picks=condition, part="change",
        )  # fmt: skip
    if isinstance(condition, SeriesBaselineCondition):
        return Term(
            rule, number, "series", timedelta(minutes=condition.duration_minutes), name=condition.metric,
            deviations=condition.deviations, floor=condition.floor, picks=condition,
        )  # fmt: skip
    assert isinstance(condition, SeriesCondition)
    up, strict = condition.operator in (">", ">="), condition.operator in (">", "<")
    parts: dict[str, Part] = {"all": "min" if up else "max"}
    recovery = condition.threshold if condition.recovery_threshold is None else condition.recovery_threshold
    share = condition.aggregate == "share"
    return Term(
        rule, number, "series", timedelta(minutes=condition.duration_minutes), up=up, strict=strict,
        value_threshold=condition.share_percent or 0.0 if share else condition.threshold,
        last_threshold=condition.threshold, recovery=recovery, by_value=condition.aggregate not in ("all", "last"),
        name=condition.metric, picks=condition,
        part=parts.get(condition.aggregate, condition.aggregate),  # type: ignore[arg-type]
    )  # fmt: skip
