"""The chart query, composed by SQLAlchemy from typed tables: its columns depend on the metrics asked for.

A *piece* is a bucket of the chosen level below its watermark, or a raw sample at or after it; both have the same
columns, so that one aggregate over both gives the points of the chart. Pieces that are points already, a level's own
buckets or raw samples, are passed through without. Names come from the catalogue of metrics, values are bound: nothing
of a request becomes SQL text.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    TableClause,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, TIMESTAMP, UUID
from sqlalchemy.types import BigInteger, Integer, Interval

from core.metrics import Kind, Metric
from db.compiled import compiled
from db.sql import Statement
from rollups.choose import MAX_POINTS

TIME = TIMESTAMP(timezone=True)
DEVICE = bindparam("device", type_=UUID)
TENANT = bindparam("tenant", type_=UUID)
# Buckets of the level lie in [start, cut), raw samples in [cut, end).
START, CUT, END = (bindparam(name, type_=TIME) for name in ("start", "cut", "end"))
WIDTH = bindparam("width", type_=Interval)
DAYS = bindparam("days", type_=ARRAY(TIME))  # where local days begin, in order

ONE, ZERO = literal_column("1", BigInteger), literal_column("0::double precision", DOUBLE_PRECISION)
ONE_BYTE = literal_column("1::double precision", DOUBLE_PRECISION)
LONG_AGO = literal_column("'-infinity'::timestamptz", TIME)
MAX_SAMPLES = MAX_POINTS + 1  # of a chart of raw samples: one more than allowed shows that there are too many
AGGREGATES = ("avg", "min", "max")
GAUGE_PARTS = {"avg": ("sum", "count"), "min": ("min",), "max": ("max",)}
COUNTER_PARTS = ("first", "last", "increase", "first_at", "last_at")

devices = table("agent_devices", column("id", UUID), column("business_id", UUID), column("owned_since", TIME))
raw = table("agent_metrics", column("agent_device_id", UUID), column("collected_at", TIME))


class Shape(StrEnum):
    """What the points of a chart are made of."""

    SAMPLES = "each raw sample is a point"
    BUCKETS = "each bucket of the level is a point, its raw tail is merged"
    MERGED = "a point is merged from several pieces"
    DAYS = "a point is merged from the pieces of a local day; its bucket is the number of that day, from 1"


@lru_cache(256)
def chart_query(
    relation: str | None, metrics: tuple[Metric, ...], shape: Shape, aggregates: tuple[str, ...] = AGGREGATES
) -> Statement:
    """Return the query for a level (`relation`, None: raw samples only); rows come in time order.

    A row is `bucket`, `sample_count`, of each gauge the `aggregates` as `<name>`, `<name>_min`, `<name>_max`, of each
    counter its parts. Points are `width` wide.
    """
    parts = [part for metric in metrics for part in parts_of(metric, aggregates)]
    raw_part = raw_pieces(metrics, parts)
    level_part = level_pieces(relation, parts) if relation is not None else None
    query: Any
    if shape is Shape.SAMPLES:
        query = finished(raw_part, metrics, aggregates).limit(literal_column(str(MAX_SAMPLES), BigInteger))
    elif shape is Shape.BUCKETS and level_part is not None:
        query = union_all(finished(level_part, metrics, aggregates), merged(raw_part, metrics, aggregates))
    else:
        pieces = raw_part if level_part is None else union_all(level_part, raw_part)
        query = merged(pieces, metrics, aggregates, by_day=shape is Shape.DAYS)
    return compiled(query.order_by("bucket"))


def parts_of(metric: Metric, aggregates: Sequence[str] = AGGREGATES) -> tuple[str, ...]:
    """Return the names of a metric's columns in a rollup and in a piece: `cpu_percent_sum` …."""
    if metric.kind is Kind.GAUGE:
        parts = tuple(part for aggregate in aggregates for part in GAUGE_PARTS[aggregate])
    else:
        parts = COUNTER_PARTS
    return tuple(f"{metric.name}_{part}" for part in parts)


def type_of(part: str) -> Any:
    """Return the type of a rollup's column by its name."""
    return TIME if part.endswith("_at") else DOUBLE_PRECISION


def level_pieces(relation: str, parts: Sequence[str]) -> Select[Any]:
    """Select a device's closed buckets of one level; counts as double precision, whose sums are quick and as exact."""
    columns = [column(name, type_of(name)) for name in parts]
    level = table(
        relation, column("agent_device_id", UUID), column("bucket", TIME), column("sample_count", BigInteger), *columns
    )
    values = [level_value(level.c[name]).label(name) for name in parts]
    wanted = select(level.c.bucket.label("time"), level.c.sample_count, *values)
    return of_the_device(wanted.where(level.c.bucket >= START, level.c.bucket < CUT), level, level.c.bucket)


def level_value(part: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a column of a rollup as pieces have it: counts as double precision, a counter's last value as it stood."""
    name = part.name
    if name.endswith("_count"):
        return cast(part, DOUBLE_PRECISION)
    return stood_at(part) if name.endswith("_last") else part


def stood_at(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return what a counter stood at: a break is stored below zero (`ingest/counter_breaks.py`)."""
    return case((value < ZERO, -value - ONE_BYTE), else_=value)


def raw_pieces(metrics: Sequence[Metric], parts: Sequence[str]) -> Select[Any]:
    """Select a device's raw samples, each in the form of a bucket that holds just it."""
    at = raw.c.collected_at
    columns = [at.label("time"), ONE.label("sample_count")]
    values = {name: value for metric in metrics for name, value in sample_parts(metric).items()}
    wanted = select(*columns, *(values[name].label(name) for name in parts))
    return of_the_device(wanted.where(at >= CUT, at < END), raw, at)


def sample_parts(metric: Metric) -> dict[str, ColumnElement[Any]]:
    """Return one sample's value in the form of a rollup's columns, by name."""
    value = as_double(metric)
    if metric.kind is Kind.GAUGE:
        count = cast(func.num_nonnulls(value), DOUBLE_PRECISION)
        parts: list[ColumnElement[Any]] = [value, count, value, value]
    else:
        time = case((value.is_not(None), raw.c.collected_at))
        parts = [value, stood_at(value), ZERO, time, time]
    return dict(zip(parts_of(metric), parts, strict=True))


def of_the_device(query: Select[Any], source: TableClause, at: ColumnElement[Any]) -> Select[Any]:
    """Bind a query to one device, and that device to the caller's tenant (null: an employee).

    A tenant sees what was measured since the device is theirs.
    """
    return query.select_from(source.join(devices, devices.c.id == source.c.agent_device_id)).where(
        source.c.agent_device_id == DEVICE,
        devices.c.id == DEVICE,
        TENANT.is_(None) | and_(devices.c.business_id == TENANT, func.coalesce(devices.c.owned_since, LONG_AGO) <= at),
    )


def finished(pieces: Select[Any], metrics: Sequence[Metric], aggregates: Sequence[str]) -> Select[Any]:
    """Pass each piece on as a point of its own."""
    piece = pieces.subquery("piece").c
    columns: list[ColumnElement[Any]] = [piece.time.label("bucket"), piece.sample_count]
    for metric in metrics:
        if metric.kind is Kind.GAUGE:
            columns += [gauge_value(piece, metric, aggregate) for aggregate in aggregates]
        else:
            first, last, increase, first_at, last_at = (piece[name] for name in parts_of(metric))
            known = case((first.is_not(None), increase)).label(increase.name)
            columns += [first, last, known, first_at, last_at]
    return select(*columns)


def merged(pieces: Any, metrics: Sequence[Metric], aggregates: Sequence[str], *, by_day: bool = False) -> Select[Any]:
    """Merge the pieces of each bucket of `width`, or of each day that begins in `days`."""
    piece = pieces.subquery("piece")
    bucket = (
        func.width_bucket(piece.c.time, DAYS, type_=Integer)
        if by_day
        else func.time_bucket(WIDTH, piece.c.time, type_=TIME)
    )
    counters = [metric for metric in metrics if metric.kind is Kind.COUNTER]
    grown = [growth(piece.c, metric, bucket) for metric in counters]
    inner = select(bucket.label("bucket"), *piece.c, *grown).subquery("piece") if counters else piece
    time = inner.c.bucket if counters else bucket
    samples = func.sum(cast(inner.c.sample_count, DOUBLE_PRECISION))
    columns: list[ColumnElement[Any]] = [time.label("bucket"), cast(samples, BigInteger).label("sample_count")]
    for metric in metrics:
        if metric.kind is Kind.GAUGE:
            columns += [gauge_value(inner.c, metric, aggregate, func) for aggregate in aggregates]
        else:
            columns += merged_counter(inner.c, metric)
    return select(*columns).group_by(time)


def gauge_value(piece: Any, metric: Metric, aggregate: str, over: Any = None) -> ColumnElement[Any]:
    """Return an average, minimum or maximum: of one piece, or `over` (SQL's aggregates) the pieces of a bucket."""
    parts: list[ColumnElement[Any]] = [piece[f"{metric.name}_{part}"] for part in GAUGE_PARTS[aggregate]]
    if aggregate != "avg":
        value: ColumnElement[Any] = getattr(over, aggregate)(parts[0]) if over else parts[0]
        return value.label(f"{metric.name}_{aggregate}")
    total, count = (over.sum(part, type_=DOUBLE_PRECISION) if over else part for part in parts)
    average: ColumnElement[Any] = total.op("/", return_type=DOUBLE_PRECISION())(func.nullif(count, ZERO))
    return average.label(metric.name)


def growth(piece: Any, metric: Metric, bucket: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return how much a counter grew in a piece and since the one before it in its bucket: as counter_increase() does.

    Pieces without a value are passed over. A window is several times as fast as that aggregate, which is in PL/pgSQL;
    sums of whole numbers below 2^53 come out the same.
    """
    first, last, increase, _, _ = (piece[name] for name in parts_of(metric))
    so_far = func.last(last, piece.time, type_=DOUBLE_PRECISION).filter(last.is_not(None))
    shown = so_far.over(partition_by=bucket, order_by=piece.time, rows=(None, -1))
    before = func.coalesce(shown, stood_at(first), type_=DOUBLE_PRECISION)
    grown: ColumnElement[Any] = increase + case((first >= before, first - before), (first < ZERO, ZERO), else_=first)
    return grown.label(f"{metric.name}_grown")


def merged_counter(piece: Any, metric: Metric) -> list[ColumnElement[Any]]:
    """Return first, last, their times and the increase of a counter over the pieces of a bucket."""
    first, last, _, first_at, last_at = (piece[name] for name in parts_of(metric))
    return [
        func.first(first, piece.time).filter(first.is_not(None)).label(f"{metric.name}_first"),
        func.last(last, piece.time).filter(last.is_not(None)).label(f"{metric.name}_last"),
        func.sum(piece[f"{metric.name}_grown"]).label(f"{metric.name}_increase"),
        func.min(first_at).label(f"{metric.name}_first_at"),
        func.max(last_at).label(f"{metric.name}_last_at"),
    ]


def as_double(metric: Metric) -> ColumnElement[Any]:
    """Return a metric's raw column as double precision, as the rollups have it."""
    return cast(column(metric.name), DOUBLE_PRECISION)
