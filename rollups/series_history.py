"""The history of a device's series: one line for each instance, from the levels that a chart of columns uses."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from core import micros
from core.metrics import Kind, Metric
from core.series import CUSTOM, SERIES_BY_NAME
from db.hypertables.policies import SERIES_LEVELS, Level
from db.hypertables.values import DEFAULTS, StorageValues
from db.pools import Connection
from db.sql import load_beside
from rollups.charted_devices import ChartedDevice, former_intervals, read_device
from rollups.choose import MAX_POINTS, Choice, LevelQuestion, choose
from rollups.errors import TooManyPointsError, UnknownMetricError
from rollups.history import ChartSegment, list_segments, make_grid
from rollups.plans import ChartWindow, complete_until, find_window, lead_time, levels_for, local_window
from rollups.points import Grid, rates

DEVICE_QUERIES, QUERIES = load_beside(__file__), load_beside(__file__, "series.sql")
ROLLUPS = [level.relation for level in SERIES_LEVELS if level.bucket]
MAX_LINES = 200  # in one answer
# For how far before the first point is read: a counter's rate needs what came before.
A_COUNTER = (Metric("counter", "", Kind.COUNTER, 0),)


@dataclass(frozen=True, slots=True)
class SeriesQuery:
    """A history request for one device; `interval` is a width, zero for samples, None to fit `max_points`."""

    device_id: UUID
    start: datetime
    end: datetime
    metrics: tuple[str, ...]
    instances: tuple[str, ...] | None = None  # None: all
    interval: timedelta | None = None
    max_points: int = 800
    zone: ZoneInfo | None = None  # buckets are whole days by this zone's clock


@dataclass(frozen=True, slots=True)
class Line:
    """One series over time; a counter has rates per second as `avg`, and neither `min` nor `max`."""

    metric: str
    instance: str
    unit: str  # as shown: of a counter per second
    is_counter: bool
    times: Sequence[int]  # microseconds
    samples: Sequence[int]
    coverage: Sequence[float]
    avg: Sequence[float | None]
    min: Sequence[float | None]
    max: Sequence[float | None]


@dataclass(frozen=True, slots=True)
class SeriesHistory:
    """The answer: lines on one grid, and where they come from."""

    choice: Choice
    grid: Grid
    segments: list[ChartSegment]
    lines: list[Line]


def check_names(names: Sequence[str]) -> None:
    """Raise UnknownMetricError unless all are metrics with instances; a customer's own may be of any name."""
    unknown = [name for name in names if name not in SERIES_BY_NAME and not name.startswith(CUSTOM)]
    if unknown:
        message = (
            f"Unknown metrics with instances: {', '.join(unknown)}; request columns such as cpu_percent separately."
        )
        raise UnknownMetricError(message, details=list(SERIES_BY_NAME))


async def read_series_history(
    pool: asyncpg.Pool, tenant: UUID | None, query: SeriesQuery, now: datetime, values: StorageValues = DEFAULTS
) -> SeriesHistory:
    """Return the history of a device's series that `tenant` may see (None: an employee).

    Raises UnknownMetricError, AgentNotFoundError, InvalidRangeError or TooManyPointsError.
    """
    check_names(query.metrics)
    async with pool.acquire() as connection:
        device = await read_device(connection, tenant, query.device_id, ROLLUPS)
        every = timedelta(seconds=device["metrics_interval_seconds"])
        series = await connection.fetch(
            *QUERIES.bind(
                "find_series",
                device_id=query.device_id,
                tenant=tenant,
                metrics=list(query.metrics),
                instances=query.instances and list(query.instances),
            ),
        )
        counters = any(one["is_counter"] for one in series)
        choice, window, days = plan(query, device, every, counters, now, values.of(device["business_id"]).series)
        rows = await read_rows(connection, tenant, series[:MAX_LINES], choice, owned(window, device), days)
    grid = make_grid(choice, window, every, now, newest_end(rows, choice), former_intervals(device, now), days)
    groups = {key: list(group) for key, group in groupby(rows, lambda row: row["series_id"])}
    lines = [make_line(one, groups.get(one["id"], []), grid) for one in series[:MAX_LINES]]
    return SeriesHistory(choice, grid, list_segments(choice, window), lines)


async def read_series_watermarks(connection: Connection | asyncpg.Pool) -> dict[str, datetime]:
    """Return how far each rollup of series is materialised, by relation, in UTC."""
    rows = await connection.fetch(*DEVICE_QUERIES.bind("get_watermarks", relations=ROLLUPS))
    return {row["relation"]: row["watermark"] for row in rows}


def plan(
    query: SeriesQuery, device: ChartedDevice, every: timedelta, counters: bool, now: datetime,
    levels: tuple[Level, ...],
) -> tuple[Choice, ChartWindow, list[datetime]]:  # fmt: skip
    """Return level, bucket and range for a question, and where local days begin."""
    question = LevelQuestion(query.start, query.end, query.interval, query.max_points, every)
    choice = choose(question, now, levels_for(query, now, levels))
    lead = lead_time(A_COUNTER if counters else (), choice, every)
    complete = complete_until(choice, device["watermarks"], device, now, levels)
    window = find_window(choice, complete, lead)
    return (choice, *local_window(choice, window, complete, query.zone)) if query.zone else (choice, window, [])


def owned(window: ChartWindow, device: ChartedDevice) -> ChartWindow:
    """Return a window without the time of a former owner."""
    since = device["owned_since"]
    if since is None or since <= window.start:
        return window
    return replace(window, start=since, cut=max(window.cut, since))


async def read_rows(
    connection: Connection, tenant: UUID | None, series: Sequence[asyncpg.Record], choice: Choice, window: ChartWindow,
    days: Sequence[datetime] = (),
) -> list[asyncpg.Record]:  # fmt: skip
    """Return the rows of all series, in order of series and time; raises TooManyPointsError."""
    if not choice.width:
        ids, most = [one["id"] for one in series], MAX_POINTS * max(1, len(series)) + 1
        rows = await connection.fetch(
            *QUERIES.bind("samples", series=ids, tenant=tenant, start=window.start, end=window.end, limit=most)
        )
        if len(rows) == most:
            raise TooManyPointsError
        return rows
    rows = []
    for query, is_counter in (("chart_gauges", False), ("chart_counters", True)):
        ids = [one["id"] for one in series if one["is_counter"] is is_counter]
        if ids:
            chart = QUERIES.bind(
                query, series=ids, tenant=tenant, level=choice.level.name, start=window.start, cut=window.cut,
                end=window.end, width=choice.width, days=days or None,
            )  # fmt: skip
            rows += await connection.fetch(*chart)
    return rows


def newest_end(rows: Sequence[asyncpg.Record], choice: Choice) -> int:
    """Return the end of the newest bucket in microseconds: a device's clock may be a little ahead."""
    return max((row["bucket"] for row in rows), default=0) + micros.from_span(choice.width)


def make_line(series: asyncpg.Record, rows: Sequence[asyncpg.Record], grid: Grid) -> Line:
    """Return the points of one series from `grid.start` on."""
    counter = series["is_counter"]
    lead = sum(row["bucket"] < grid.start for row in rows) if counter else 0
    if counter:
        parts = [[row[name] for row in rows] for name in ("first", "last", "increase", "first_at", "last_at")]
        averages: list[float | None] = rates(grid, *parts)[lead:]
        rows = rows[lead:]
        least = most = [None] * len(rows)
    else:
        rows = [row for row in rows if row["bucket"] >= grid.start]
        averages, least, most = ([row[name] for row in rows] for name in ("avg", "min", "max"))
    times, samples = [row["bucket"] for row in rows], [row["samples"] for row in rows]
    line = Line(
        series["metric"], series["instance"], series["unit"], counter, times, samples,
        grid.coverages(times, samples), averages, least, most,
    )  # fmt: skip
    return replace(line, unit=f"{line.unit}/s") if counter else line
