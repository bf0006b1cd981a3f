"""Plans a chart: the level and the bucket that fit, the range that is read, and one query over both parts of it.

Closed buckets come from a level, the samples after its watermark are raw.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from core.metrics import METRICS, Kind, Metric
from db.hypertables.policies import DAY, HOUR, LEVELS, Level, refresh_lag
from db.hypertables.values import StorageValues
from rollups.chart_sql import AGGREGATES, ChartShape, chart_query
from rollups.charted_devices import ChartedDevice, former_intervals
from rollups.choose import Choice, LevelQuestion, bucket_start, choose
from rollups.local_days import day_starts, has_whole_hours, whole_days
from rollups.points import MAX_GAP_SAMPLES

ROLLUPS = [level.relation for level in LEVELS if level.bucket]
LATE_PERIODS = (("late_from", "late_at"), ("late_before", "late_since"))
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class HistoryQuery:
    """A history request for one device; `interval` is a width, zero for raw samples, None to fit `max_points`.

    `aggregates` are of gauges; a counter has only its rate.
    """

    device_id: UUID
    start: datetime
    end: datetime
    metrics: tuple[Metric, ...]
    interval: timedelta | None = None
    max_points: int = 800
    aggregates: tuple[str, ...] = AGGREGATES
    zone: ZoneInfo | None = None  # by whose clock days count; `interval` is then a whole number of days


@dataclass(frozen=True, slots=True)
class ChartWindow:
    """The ranges to read (UTC): buckets in [start, cut), raw samples in [cut, end); points from `shown` on."""

    start: datetime
    cut: datetime
    end: datetime
    shown: datetime


class HasLocalDays(Protocol):
    """The part of a question that decides which levels fit its local days."""

    @property
    def start(self) -> datetime:
        """The beginning of the range (UTC)."""

    @property
    def end(self) -> datetime:
        """The end of the range (UTC), excluded."""

    @property
    def interval(self) -> timedelta | None:
        """The width of a bucket, None to choose one."""

    @property
    def zone(self) -> ZoneInfo | None:
        """The zone in which days begin at midnight; None: buckets are not local days."""


@dataclass(frozen=True, slots=True)
class HistoryPlan:
    """The plan of an answer: level and bucket, ranges to read, and the query."""

    choice: Choice
    window: ChartWindow
    sample_every: timedelta
    query: tuple[Any, ...]  # with its arguments, for asyncpg
    former: list[tuple[datetime, timedelta]] = field(default_factory=list)  # intervals before, each until when
    days: list[datetime] = field(default_factory=list)  # where local days begin


def plan_for(
    device: ChartedDevice,
    tenant: UUID | None,
    history_query: HistoryQuery,
    now: datetime,
    values: StorageValues,
    *,
    with_device: bool = False,
) -> HistoryPlan:
    """Return how a question about a device is answered; raises InvalidRangeError or TooManyPointsError.

    `with_device`: the query returns the device as it is then in a row before the points.
    """
    values = values.of(device["business_id"])
    every = timedelta(seconds=device["metrics_interval_seconds"])
    question = LevelQuestion(
        history_query.start, history_query.end, history_query.interval, history_query.max_points, every
    )
    choice = choose(question, now, levels_for(history_query, now, values.metrics))
    complete = complete_until(choice, device["watermarks"], device, now, values.metrics)
    window = find_window(choice, complete, lead_time(history_query.metrics, choice, every))
    days: list[datetime] = []
    if history_query.zone:
        window, days = local_window(choice, window, complete, history_query.zone)
    query = plan_chart(history_query, tenant, choice, window, days, with_device=with_device)
    return HistoryPlan(choice, window, every, query, former_intervals(device, now), days)


def levels_for(history_query: HasLocalDays, now: datetime, levels: tuple[Level, ...]) -> tuple[Level, ...]:
    """Return the levels that a chart may be read from: those whose buckets lie within local days, where it has a zone.

    Where a day begins within an hour and nothing finer is kept so long, its hours are those that begin in it.
    """
    if history_query.zone is None:
        return levels
    days = day_starts(
        history_query.start, history_query.end, whole_days(history_query.interval or DAY) or 1, history_query.zone
    )
    fine = tuple(level for level in levels if not level.bucket or level.bucket <= HOUR)
    if has_whole_hours(days):
        return fine
    finer = tuple(level for level in fine if not level.bucket or level.bucket < HOUR)
    return finer if any(history_query.start >= now - level.keep for level in finer) else fine


def local_window(
    choice: Choice, window: ChartWindow, complete: datetime, zone: ZoneInfo
) -> tuple[ChartWindow, list[datetime]]:
    """Round a window out to local days; returns it and where its days begin, with the end of the last one."""
    count = whole_days(choice.width) or 1
    first_day, *_, end = day_starts(choice.start, choice.end, count, zone)
    days = day_starts(window.start - DAY if window.start < window.shown else first_day, end, count, zone)
    return ChartWindow(days[0], max(days[0], min(end, complete)), end, first_day), days


def lead_time(metrics: tuple[Metric, ...], choice: Choice, sample_every: timedelta) -> timedelta:
    """Return how far before the first point reading begins: a counter's rate needs what came before."""
    if all(metric.kind is Kind.GAUGE for metric in metrics):
        return timedelta(0)
    silence = MAX_GAP_SAMPLES * sample_every
    return math.ceil(silence / choice.width) * choice.width if choice.width else silence


def complete_until(
    choice: Choice,
    watermarks: dict[str, datetime],
    device: Mapping[str, Any] | asyncpg.Record,
    now: datetime,
    levels: tuple[Level, ...] = LEVELS,
) -> datetime:
    """Return until when a level has all of a device's samples: its watermark, or its last late samples if earlier."""
    watermark = watermarks.get(choice.level.relation, NEVER)  # raw has none: all of it is read as samples
    if choice.level.bucket is None:
        return watermark
    lag = refresh_lag(choice.level, levels)
    late = [device[since] for since, at in LATE_PERIODS if device[since] and now - device[at] < lag]
    # Samples older than the look-back of the first refresh are rolled up, and may no longer exist raw.
    oldest = now - (levels[1].refresh_from or timedelta())
    rolled_up = [max(since, oldest) for since in late]
    return min([watermark, *(bucket_start(since, choice.level.bucket) for since in rolled_up)])


def find_window(choice: Choice, complete: datetime, lead: timedelta) -> ChartWindow:
    """Round a choice's range out to whole buckets, and cut it where its level is no longer complete."""
    if not choice.width:
        start = choice.start - lead
        return ChartWindow(start, start, choice.end, choice.start)
    first_bucket = bucket_start(choice.start, choice.width)
    end = bucket_start(choice.end - timedelta(microseconds=1), choice.width) + choice.width
    start = first_bucket - lead
    return ChartWindow(start, max(start, min(end, complete)), end, first_bucket)


def plan_chart(
    history_query: HistoryQuery,
    tenant: UUID | None,
    choice: Choice,
    window: ChartWindow,
    days: Sequence[datetime] = (),
    *,
    with_device: bool = False,
) -> tuple[Any, ...]:
    """Return the query of a chart with its arguments, for asyncpg."""
    relation = choice.level.relation if choice.level.bucket else None
    # One order: one query to keep.
    metrics = tuple(metric for metric in METRICS if metric in history_query.metrics)
    aggregates = tuple(aggregate for aggregate in AGGREGATES if aggregate in history_query.aggregates)
    shape = ChartShape.DAYS if days else choose_shape(choice)
    query = chart_query(relation, metrics, shape, aggregates, with_device=with_device)
    values = {
        "device": history_query.device_id, "tenant": tenant, "width": choice.width, "start": window.start,
        "cut": window.cut, "end": window.end, "days": days, "relations": ROLLUPS,
    }  # fmt: skip
    return query.bind(**{name: values[name] for name in query.parameters if name in values})


def choose_shape(choice: Choice) -> ChartShape:
    """Return the sources of the points; the cut is between two of the level's buckets."""
    if not choice.width:
        return ChartShape.SAMPLES
    return ChartShape.BUCKETS if choice.width == choice.level.bucket else ChartShape.MERGED
