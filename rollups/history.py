"""A device's history: closed buckets from the level that fits, stitched with the raw samples after its watermark.

Steps: may the caller see the device → which level and bucket → one query over both parts → points.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from core import micros
from core.errors import AgentNotFoundError
from core.metrics import BY_NAME, METRICS, Kind, Metric
from db.hypertables.policies import DAY, HOUR, LEVELS, Level, refresh_lag
from db.hypertables.values import DEFAULTS, StorageValues
from db.pools import Connection
from db.sql import load_beside
from rollups.chart_sql import AGGREGATES, ChartShape, chart_query
from rollups.choose import MAX_POINTS, Choice, LevelQuestion, bucket_start, choose
from rollups.errors import TooManyPointsError, UnknownMetricError
from rollups.local_days import day_starts, has_whole_hours, whole_days
from rollups.points import MAX_GAP_SAMPLES, Grid, Points, make_points

QUERIES = load_beside(__file__)
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


@dataclass(frozen=True, slots=True)
class ChartSegment:
    """A part of the answer and the level that it was read from."""

    level: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class History:
    """The answer: points, the grid they lie on, and where they come from."""

    choice: Choice
    grid: Grid
    segments: list[ChartSegment]
    points: Points


def find_metrics(names: list[str]) -> tuple[Metric, ...]:
    """Return the metrics of these names, each once; raises UnknownMetricError naming all unknown ones."""
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        message = f"Unknown metrics: {', '.join(unknown)}; `details` lists all metrics."
        raise UnknownMetricError(message, details=list(BY_NAME))
    return tuple(BY_NAME[name] for name in dict.fromkeys(names))


async def read_history(
    pool: asyncpg.Pool,
    tenant: UUID | None,
    history_query: HistoryQuery,
    now: datetime,
    values: StorageValues = DEFAULTS,
) -> History:
    """Return the history of a device that `tenant` may see (None: an employee).

    Raises AgentNotFoundError, InvalidRangeError or TooManyPointsError.
    """
    async with pool.acquire() as connection:
        plan = await plan_history(connection, tenant, history_query, now, values)
        rows: Sequence[Any] = await connection.fetch(*plan.query)
    choice, window = plan.choice, plan.window
    if plan.days:
        days = [micros.from_time(day) for day in plan.days]
        rows = [dict(row) | {"bucket": days[row["bucket"] - 1]} for row in rows]
    if not choice.width and len(rows) > MAX_POINTS:
        raise TooManyPointsError
    # A device's clock may be a little ahead.
    newest = rows[-1]["bucket"] + micros.from_span(choice.width) if rows else 0
    grid = make_grid(choice, window, plan.sample_every, now, newest, plan.former, plan.days)
    return History(choice, grid, list_segments(choice, window), make_points(rows, history_query.metrics, grid))


def make_grid(
    choice: Choice,
    window: ChartWindow,
    sample_every: timedelta,
    now: datetime,
    newest: int,
    former: Sequence[tuple[datetime, timedelta]],
    days: Sequence[datetime],
) -> Grid:
    """Return the grid of a chart whose newest bucket ends at `newest` (microseconds)."""
    present = micros.from_time(now)
    return Grid(
        micros.from_time(window.shown),
        min(micros.from_time(window.end), max(present, newest)),
        micros.from_span(choice.width),
        micros.from_span(sample_every),
        present,
        [(micros.from_time(until), micros.from_span(every)) for until, every in former],
        [micros.from_time(day) for day in days],
    )


async def plan_history(
    connection: Connection,
    tenant: UUID | None,
    history_query: HistoryQuery,
    now: datetime,
    values: StorageValues = DEFAULTS,
) -> HistoryPlan:
    """Return how a question is answered; raises as `read_history` does."""
    devices_found = await connection.fetch(
        *QUERIES.bind("get_charted_device", device_id=history_query.device_id, tenant=tenant, relations=ROLLUPS)
    )
    if not devices_found:
        raise AgentNotFoundError
    device, watermarks = devices_found[0], {row["relation"]: row["watermark"] for row in devices_found}
    values = values.of(device["business_id"])
    every = timedelta(seconds=device["metrics_interval_seconds"])
    question = LevelQuestion(
        history_query.start, history_query.end, history_query.interval, history_query.max_points, every
    )
    choice = choose(question, now, levels_for(history_query, now, values.metrics))
    complete = complete_until(choice, watermarks, device, now, values.metrics)
    window = find_window(choice, complete, lead_time(history_query.metrics, choice, every))
    days: list[datetime] = []
    if history_query.zone:
        window, days = local_window(choice, window, complete, history_query.zone)
    query = plan_chart(history_query, tenant, choice, window, days)
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


def former_intervals(device: asyncpg.Record, now: datetime) -> list[tuple[datetime, timedelta]]:
    """Return the former intervals of a device with their ends; the present interval ends now."""
    pairs = zip(device["former_until"], device["former_seconds"], strict=True)
    return [(min(until.replace(tzinfo=UTC), now), timedelta(seconds=seconds)) for until, seconds in pairs]


async def read_watermarks(connection: Connection | asyncpg.Pool) -> dict[str, datetime]:
    """Return how far each rollup is materialised, by relation, in UTC."""
    return {
        row["relation"]: row["watermark"]
        for row in await connection.fetch(*QUERIES.bind("get_watermarks", relations=ROLLUPS))
    }


def lead_time(metrics: tuple[Metric, ...], choice: Choice, sample_every: timedelta) -> timedelta:
    """Return how far before the first point reading begins: a counter's rate needs what came before."""
    if all(metric.kind is Kind.GAUGE for metric in metrics):
        return timedelta(0)
    silence = MAX_GAP_SAMPLES * sample_every
    return math.ceil(silence / choice.width) * choice.width if choice.width else silence


def complete_until(
    choice: Choice,
    watermarks: dict[str, datetime],
    device: asyncpg.Record,
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
    history_query: HistoryQuery, tenant: UUID | None, choice: Choice, window: ChartWindow, days: Sequence[datetime] = ()
) -> tuple[Any, ...]:
    """Return the query of a chart with its arguments, for asyncpg."""
    relation = choice.level.relation if choice.level.bucket else None
    # One order: one query to keep.
    metrics = tuple(metric for metric in METRICS if metric in history_query.metrics)
    aggregates = tuple(aggregate for aggregate in AGGREGATES if aggregate in history_query.aggregates)
    query = chart_query(relation, metrics, ChartShape.DAYS if days else choose_shape(choice), aggregates)
    values = {
        "device": history_query.device_id, "tenant": tenant, "width": choice.width, "start": window.start,
        "cut": window.cut, "end": window.end, "days": days,
    }  # fmt: skip
    return query.bind(**{name: values[name] for name in query.parameters if name in values})


def choose_shape(choice: Choice) -> ChartShape:
    """Return the sources of the points; the cut is between two of the level's buckets."""
    if not choice.width:
        return ChartShape.SAMPLES
    return ChartShape.BUCKETS if choice.width == choice.level.bucket else ChartShape.MERGED


def list_segments(choice: Choice, window: ChartWindow) -> list[ChartSegment]:
    """Return the level of each part of the answer."""
    cut = max(window.cut, window.shown)
    segments = []
    if cut > window.shown:
        segments.append(ChartSegment(choice.level.name, window.shown, cut))
    if window.end > cut:
        segments.append(ChartSegment("raw", cut, window.end))
    return segments
