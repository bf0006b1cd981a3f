"""GET /{id}/metrics/history: a device's past as chart data, in rows or in columns."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Literal, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from fastapi import APIRouter, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field

from api.auth import CurrentPerson
from api.fields.local_times import TimeZone
from api.routes.series import series_body
from api.schemas.agents import AgentId
from api.services import Services, get_services
from core.errors import RtsError
from core.metrics import BY_NAME, METRICS, Kind, Metric
from core.micros import SECOND, to_time
from core.series import instance_name
from rollups.chart_sql import AGGREGATES
from rollups.choose import MAX_POINTS, Choice, parse_interval
from rollups.errors import LocalDaysOnlyError
from rollups.history import ChartSegment as ReadSegment
from rollups.history import History, find_metrics
from rollups.local_days import whole_days
from rollups.plans import HistoryQuery
from rollups.points import Grid, Points
from rollups.series_history import SeriesHistory, SeriesQuery, read_series_history

router = APIRouter(prefix="/api/agents", tags=["history"])

DEFAULT_RANGE = timedelta(hours=24)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
# Devices share the starts of buckets, and a start that is found takes a tenth of one that is computed.
bucket_time = lru_cache(16_384)(to_time)
T = TypeVar("T")
G = TypeVar("G")


class UnknownAggregateError(RtsError):
    """`aggregates` is a comma-separated list of avg, min, max."""

    code: ClassVar[str] = "unknown_aggregate"
    status: ClassVar[int] = 422


class Segment(BaseModel):
    """A part of the answer and the level that it was read from."""

    level: str = Field(description="`raw`, `5m`, `1h` or `1d`")
    start: datetime
    end: datetime


class HistoryWarning(BaseModel):
    """A note that the answer differs from the request, such as a coarser level."""

    code: Literal["outside_retention", "coarser_than_asked"]
    message: str


class HistoryHead(BaseModel):
    """The source of the points. Times in UTC; counters are rates per second."""

    agent_id: str
    start: datetime
    end: datetime
    level: str = Field(description="the level that answers: `raw`, `5m`, `1h` or `1d`")
    bucket_seconds: float = Field(description="width of a bucket; 0 for raw samples")
    expected_interval_seconds: float = Field(
        description="seconds between the device's samples; coverage is computed from it"
    )
    segments: list[Segment]
    units: dict[str, str]
    warnings: list[HistoryWarning]


class HistoryRows(HistoryHead):
    """A row for each bucket that holds samples."""

    metrics: list[dict[str, Any]] = Field(
        description="timestamp (start of the bucket), each metric, its `_min` and `_max` on request, samples, coverage"
    )


class SeriesLine(BaseModel):
    """One instance of a metric: `points` in rows, arrays in columns."""

    metric: str
    instance: str
    unit: str = Field(description="of a counter per second")
    points: list[dict[str, Any]] | None = Field(None, description="timestamp, avg, min, max, samples, coverage")
    timestamps: list[float] | None = Field(None, description="start of each bucket with samples, Unix seconds")
    avg: list[float | None] | None = None
    min: list[float | None] | None = None
    max: list[float | None] | None = None
    samples: list[int] | None = None
    coverage: list[float] | None = None


class HistoryInstances(HistoryHead):
    """A line for each instance, when metrics with instances are asked for."""

    instances: list[SeriesLine]


class HistoryColumns(HistoryHead):
    """One array per series, all of the length of `timestamps`; null where nothing was measured."""

    timestamps: list[float] = Field(description="start of each bucket, Unix seconds; empty buckets too")
    series: dict[str, dict[str, list[float | None]]] = Field(description="metric → avg, min, max → values")
    samples: list[int]
    coverage: list[float] = Field(description="share of the expected samples that a bucket has, 0..1")


class ChartQuestion(BaseModel):
    """The parameters of a chart, for FastAPI and for `api/chart_calls.py`."""

    start: AwareDatetime | None = Field(None, description="default: 24 hours before end")
    end: AwareDatetime | None = Field(None, description="default: now")
    metric: str = Field(
        "",
        description="comma-separated; default: all columns; disk.percent and others with a dot have instances",
        examples=["cpu_percent,memory_percent"],
        max_length=1000,
    )
    instance: list[str] | None = Field(
        None, description="of metrics with instances; may be repeated; default: all", max_length=50
    )
    interval: str | None = Field(
        None, description="bucket; default: to fit max_points", examples=["5m", "1h", "raw"], max_length=20
    )
    max_points: int = Field(800, ge=10, le=MAX_POINTS, description="most points, without an interval")
    aggregates: str = Field("avg", description="of avg, min, max", examples=["avg,min,max"], max_length=50)
    format: Literal["rows", "columns"] = Field("rows", description="columns: one array per series, for charts")
    time_zone: TimeZone | None = Field(
        None, description="time zone (IANA) whose midnights begin the days; requires an interval of whole days"
    )


@router.get(
    "/{agent_id}/metrics/history",
    response_model=HistoryRows | HistoryColumns | HistoryInstances,
)
async def metrics_history(
    request: Request, person: CurrentPerson, agent_id: AgentId, question: Annotated[ChartQuestion, Query()]
) -> Response:
    """Read the history of a device: averages by bucket, from the coarsest level that is fine enough.

    With `time_zone`, buckets of whole days begin at local midnight; a day has 23 or 25 hours when clocks change.
    Closed buckets come from a rollup, the newest part from raw samples; `segments` has the source of each part.
    """
    body = await read_chart(get_services(request), person.tenant, agent_id, question)
    return Response(body, media_type="application/json")


async def read_chart(services: Services, tenant: UUID | None, agent_id: UUID, question: ChartQuestion) -> bytes:
    """Return the answer to a question of a tenant (None: an employee) as JSON; raises RtsError."""
    now = services.clock()
    end = question.end or now
    start = question.start or max(end, EARLIEST) - DEFAULT_RANGE
    aggregates = parse_aggregates(question.aggregates)
    width = parse_interval(question.interval)
    if question.time_zone and not (width and whole_days(width)):
        raise LocalDaysOnlyError
    zone = parse_zone(question.time_zone)
    if "." in question.metric:
        names = tuple(dict.fromkeys(name.strip() for name in question.metric.split(",")))
        chosen = tuple(map(instance_name, question.instance)) if question.instance else None
        series = SeriesQuery(agent_id, start, end, names, chosen, width, question.max_points, zone)
        lines = await read_series_history(services.pool, tenant, series, now, services.storage.now)
        return msgspec.json.encode(lines_body(agent_id, lines, aggregates, question.format))
    query = HistoryQuery(
        agent_id, start, end, parse_metrics(question.metric), width, question.max_points, tuple(aggregates), zone
    )  # fmt: skip
    history = await services.charts.read(tenant, query, now)
    form = columns if question.format == "columns" else rows
    units = {each.name: each.shown_unit for each in query.metrics}
    body = head(agent_id, history.choice, history.grid, history.segments, units)
    return msgspec.json.encode(body | form(history, query.metrics, aggregates))


def parse_zone(name: str | None) -> ZoneInfo | None:
    """Return a zone; None for UTC, whose days are those of the rollups."""
    return None if name in (None, "UTC") else ZoneInfo(name or "")


def parse_metrics(text: str) -> tuple[Metric, ...]:
    """Return the metrics of a comma-separated list, all when it is empty; raises UnknownMetricError."""
    return find_metrics([name.strip() for name in text.split(",")]) if text.strip() else METRICS


def parse_aggregates(text: str) -> list[str]:
    """Return the aggregates of a comma-separated list; raises UnknownAggregateError."""
    names = [name.strip() for name in text.split(",")]
    if not set(names) <= set(AGGREGATES):
        raise UnknownAggregateError
    return names


def head(
    agent_id: UUID, choice: Choice, grid: Grid, segments: Iterable[ReadSegment], units: dict[str, str]
) -> dict[str, Any]:
    """Return the fields that all forms of the answer share."""
    return {
        "agent_id": agent_id,
        "start": choice.start.astimezone(UTC),
        "end": choice.end.astimezone(UTC),
        "level": choice.level.name,
        "bucket_seconds": choice.width.total_seconds(),
        "expected_interval_seconds": grid.sample_every / SECOND,
        "segments": [{"level": part.level, "start": part.start, "end": part.end} for part in segments],
        "units": units,
        "warnings": [{"code": choice.warning[0], "message": choice.warning[1]}] if choice.warning else [],
    }


def lines_body(agent_id: UUID, history: SeriesHistory, aggregates: list[str], form: str) -> dict[str, Any]:
    """Return the answer for metrics with instances."""
    units = {line.metric: line.unit for line in history.lines}
    return head(agent_id, history.choice, history.grid, history.segments, units) | series_body(
        history, aggregates, form
    )


def rows(history: History, metrics: Iterable[Metric], aggregates: list[str]) -> dict[str, Any]:
    """Return the points as rows; buckets without samples have none."""
    points = history.points
    values = {name: points.values.get(name, ()) for metric in metrics for name in row_names(metric, aggregates)}
    row = row_type(("timestamp", *values, "samples", "coverage"))
    times = map(bucket_time, points.times)
    return {"metrics": list(map(row, times, *values.values(), points.samples, points.coverage))}


@lru_cache(256)
def row_type(names: tuple[str, ...]) -> type[msgspec.Struct]:
    """Return the type of a row with these keys: made and encoded in a third of the time that a dict takes."""
    return msgspec.defstruct("Row", names, gc=False)


def columns(history: History, metrics: Iterable[Metric], aggregates: list[str]) -> dict[str, Any]:
    """Return the points as one array per series, on the whole grid: a chart shows its gaps."""
    points = history.points
    times = tuple(history.grid.buckets()) if history.grid.width else points.times
    positions = find_places(times, points.times)
    return {
        "timestamps": [time / SECOND for time in times],
        "series": {metric.name: series(points, positions, metric, aggregates) for metric in metrics},
        "samples": place_values(points.samples, positions, 0),
        "coverage": place_values(points.coverage, positions, 0.0),
    }


def find_places(times: Sequence[int], measured: Sequence[int]) -> Sequence[int | None]:
    """Return where each of the `times` is among the measured ones, None where it is not.

    Measured times without gaps, the usual case, have a range, which also goes on before and after them.
    """
    before = bisect_left(times, measured[0]) if measured else 0
    if measured and times[before : before + len(measured)] == measured:
        return range(-before, len(times) - before)
    places = {time: place for place, time in enumerate(measured)}
    return [places.get(time) for time in times]


def series(
    points: Points, positions: Sequence[int | None], metric: Metric, aggregates: list[str]
) -> dict[str, Sequence[float | None]]:
    """Return a metric's arrays by aggregate."""
    return {
        aggregate: place_values(points.values.get(name, ()), positions, None)
        for aggregate, name in zip(aggregates_for(metric, aggregates), row_names(metric, aggregates), strict=True)
    }


def place_values(values: Sequence[T], positions: Sequence[int | None], gap: G) -> Sequence[T | G]:
    """Return values at their places in the grid, `gap` where there is none."""
    if isinstance(positions, range):
        return [gap] * -positions.start + list(values) + [gap] * (positions.stop - len(values))
    return [gap if place is None else values[place] for place in positions]


def aggregates_for(metric: Metric, aggregates: list[str]) -> list[str]:
    """Return those of `aggregates` that a metric has: a counter has only its rate, as avg."""
    return aggregates if BY_NAME[metric.name].kind is Kind.GAUGE else ["avg"]


def row_names(metric: Metric, aggregates: list[str]) -> list[str]:
    """Return the names of a metric's values in a row: the average has the metric's own name."""
    return [
        metric.name if aggregate == "avg" else f"{metric.name}_{aggregate}"
        for aggregate in aggregates_for(metric, aggregates)
    ]
