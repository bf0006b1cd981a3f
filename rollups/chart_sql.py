"""The chart query, composed by SQLAlchemy from typed tables: its columns depend on the metrics asked for.

It reads partial aggregates (`partials.py`): buckets of the chosen level below its watermark, raw samples at or after
it; one aggregate over both gives the points of the chart. Partials that are points already, a level's own buckets or
raw samples, are passed through. Names come from the catalogue of metrics, values are bound: nothing of a request
becomes SQL text.
"""

from collections.abc import Sequence
from enum import StrEnum
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    null,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, UUID
from sqlalchemy.types import BigInteger, Integer, Interval, Text

from core.metrics import Kind, Metric
from db.compiled import compile_query
from db.sql import Statement
from rollups.choose import MAX_POINTS
from rollups.partials import TIME, Partials, bucket_partials, mean, part_names, sample_partials

DEVICE = bindparam("device", type_=UUID)
TENANT = bindparam("tenant", type_=UUID)
# Buckets of the level lie in [start, cut), raw samples in [cut, end).
START, CUT, END = (bindparam(name, type_=TIME) for name in ("start", "cut", "end"))
WIDTH = bindparam("width", type_=Interval)
DAYS = bindparam("days", type_=ARRAY(TIME))  # where local days begin, in order

RELATIONS = bindparam("relations", type_=ARRAY(Text))  # the levels whose watermarks are wanted

ONE = literal_column("1", BigInteger)
FIRST = literal_column("(-1)::bigint", BigInteger)  # before every bucket
LONG_AGO = literal_column("'-infinity'::timestamptz", TIME)
MAX_SAMPLES = MAX_POINTS + 1  # of a chart of raw samples: one more than allowed shows that there are too many
AGGREGATES = ("avg", "min", "max")
AGGREGATE_PARTS = {"avg": ("sum", "count"), "min": ("min",), "max": ("max",)}

devices = table("agent_devices", column("id", UUID), column("business_id", UUID), column("owned_since", TIME))


# The time from which the caller may see the device's samples: for a tenant (null: an employee) the time at which the
# device came to them. There is no row, and so no sample, for another tenant's device.
OWNED = (
    select(case((TENANT.is_(None), LONG_AGO), else_=func.coalesce(devices.c.owned_since, LONG_AGO)).label("since"))
    .where(devices.c.id == DEVICE, TENANT.is_(None) | (devices.c.business_id == TENANT))
    .cte("owned")
)


class ChartShape(StrEnum):
    """The sources of the points of a chart."""

    SAMPLES = "each raw sample is a point"
    BUCKETS = "each bucket of the level is a point, its raw tail is merged"
    MERGED = "a point is merged from several partials"
    DAYS = "a point is merged from the partials of a local day; its bucket is the number of that day, from 1"


@lru_cache(256)
def chart_query(
    relation: str | None,
    metrics: tuple[Metric, ...],
    shape: ChartShape,
    aggregates: tuple[str, ...] = AGGREGATES,
    *,
    with_device: bool = False,
) -> Statement:
    """Return the query for a level (`relation`, None: raw samples only); rows come in time order.

    Where asked for, a row with the `device` comes first (`charted_devices.py`).
    A row is `bucket`, `sample_count`, of each gauge the `aggregates` as `<name>`, `<name>_min`, `<name>_max`, of each
    counter its parts. Points are `width` wide. Times are microseconds since 1970.
    """
    names = [name for metric in metrics for name in needed_parts(metric, aggregates)]
    raw_part = raw_partials(metrics, names)
    level_part = level_partials(relation, metrics, names) if relation is not None else None
    queries: list[Select[Any]]
    if shape is ChartShape.SAMPLES:
        newest_last = raw_part.order_by("time").limit(literal_column(str(MAX_SAMPLES), BigInteger))
        queries = [finish_points(newest_last, metrics, aggregates)]
    elif shape is ChartShape.BUCKETS and level_part is not None:
        queries = [finish_points(level_part, metrics, aggregates), merged(raw_part, metrics, aggregates)]
    else:
        partials = raw_part if level_part is None else union_all(level_part, raw_part)
        queries = [merged(partials, metrics, aggregates, by_day=shape is ChartShape.DAYS)]
    if with_device:
        queries = [device_row(queries[0]), *(query.add_columns(null().label("device")) for query in queries)]
    query: Any = union_all(*queries) if len(queries) > 1 else queries[0]
    return compile_query(query.order_by("bucket"))


def device_row(points: Select[Any]) -> Select[Any]:
    """Select a row that comes before those of the points: the device as it is, as JSON, null if there is none."""
    device = cast(func.agent_charted_device(DEVICE, TENANT, RELATIONS), Text)
    _, *others = points.selected_columns
    columns: list[ColumnElement[Any]] = [FIRST.label("bucket"), *(null().label(each.name) for each in others)]
    return select(*columns, device.label("device"))


def needed_parts(metric: Metric, aggregates: Sequence[str] = AGGREGATES) -> list[str]:
    """Return the names of a metric's parts that its aggregates need: `cpu_percent_sum` …."""
    return part_names([metric], [part for aggregate in aggregates for part in AGGREGATE_PARTS[aggregate]])


def raw_partials(metrics: Sequence[Metric], names: Sequence[str]) -> Select[Any]:
    """Select a device's raw samples from the cut on."""
    raw = sample_partials(metrics)
    query = select(raw.time.label("time"), ONE.label("sample_count"), *raw.columns(names))
    return of_the_device(query.where(raw.time >= CUT, raw.time < END), raw)


def level_partials(relation: str, metrics: Sequence[Metric], names: Sequence[str]) -> Select[Any]:
    """Select a device's closed buckets of one level up to the cut."""
    level = bucket_partials(relation, metrics)
    query = select(level.time.label("time"), level.table.c.sample_count, *level.columns(names))
    return of_the_device(query.where(level.time >= START, level.time < CUT), level)


def of_the_device(query: Select[Any], source: Partials) -> Select[Any]:
    """Bind a query to one device and to what the caller's tenant may see of it."""
    return query.where(source.table.c.agent_device_id == DEVICE, source.time >= select(OWNED.c.since).scalar_subquery())


def finish_points(partials: Select[Any], metrics: Sequence[Metric], aggregates: Sequence[str]) -> Select[Any]:
    """Return one point for each partial, which is a bucket of the level or a raw sample."""
    part = partials.subquery("part").c
    columns: list[ColumnElement[Any]] = [as_micros(part.time).label("bucket"), part.sample_count]
    for metric in metrics:
        if metric.kind is Kind.GAUGE:
            columns += [gauge_value(part, metric, aggregate) for aggregate in aggregates]
        else:
            first, last, increase, first_at, last_at = (part[name] for name in needed_parts(metric))
            at_break = case((first.is_not(None), increase)).label(increase.name)
            times = [as_micros(at).label(at.name) for at in (first_at, last_at)]
            columns += [first, last, at_break, *times]
    return select(*columns)


def as_micros(time: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a time as microseconds since 1970."""
    micros: ColumnElement[Any] = func._timescaledb_functions.to_unix_microseconds(time, type_=BigInteger)
    return micros


def merged(partials: Any, metrics: Sequence[Metric], aggregates: Sequence[str], *, by_day: bool = False) -> Select[Any]:
    """Merge the partials of each bucket of `width`, or of each day that begins in `days`."""
    part = partials.subquery("part")
    bucket = (
        func.width_bucket(part.c.time, DAYS, type_=Integer)
        if by_day
        else func.time_bucket(WIDTH, part.c.time, type_=TIME)
    )
    counters = [metric for metric in metrics if metric.kind is Kind.COUNTER]
    grown = [growth(part.c, metric, bucket) for metric in counters]
    inner = select(bucket.label("bucket"), *part.c, *grown).subquery("part") if counters else part
    time: ColumnElement[Any] = inner.c.bucket if counters else bucket
    shown = time if by_day else as_micros(time)
    samples = func.sum(cast(inner.c.sample_count, DOUBLE_PRECISION))
    columns: list[ColumnElement[Any]] = [shown.label("bucket"), cast(samples, BigInteger).label("sample_count")]
    for metric in metrics:
        if metric.kind is Kind.GAUGE:
            columns += [gauge_value(inner.c, metric, aggregate, func) for aggregate in aggregates]
        else:
            columns += merged_counter(inner.c, metric)
    return select(*columns).group_by(time)


def gauge_value(part: Any, metric: Metric, aggregate: str, over: Any = None) -> ColumnElement[Any]:
    """Return an average, minimum or maximum: of one part, or `over` (SQL's aggregates) the partials of a bucket."""
    parts: list[ColumnElement[Any]] = [part[f"{metric.name}_{name}"] for name in AGGREGATE_PARTS[aggregate]]
    if aggregate != "avg":
        value: ColumnElement[Any] = getattr(over, aggregate)(parts[0]) if over else parts[0]
        return value.label(f"{metric.name}_{aggregate}")
    total, count = (over.sum(part, type_=DOUBLE_PRECISION) if over else part for part in parts)
    return mean(total, count).label(metric.name)


def growth(part: Any, metric: Metric, bucket: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the growth of a counter within a partial and since the one before it in its bucket, as counter_increase().

    Partials without a value are skipped. A window function is several times as fast as that aggregate, which is written
    in PL/pgSQL; sums of whole numbers below 2^53 are the same.
    """
    first, last, increase, _, _ = (part[name] for name in needed_parts(metric))
    so_far = func.last(last, part.time, type_=DOUBLE_PRECISION).filter(last.is_not(None))
    before = so_far.over(partition_by=bucket, order_by=part.time, rows=(None, -1))
    grown: ColumnElement[Any] = increase + func.counter_growth(before, first, type_=DOUBLE_PRECISION)
    return grown.label(f"{metric.name}_grown")


def merged_counter(part: Any, metric: Metric) -> list[ColumnElement[Any]]:
    """Return first, last, their times and the increase of a counter over the partials of a bucket."""
    first, last, _, first_at, last_at = (part[name] for name in needed_parts(metric))
    return [
        func.first(first, part.time).filter(first.is_not(None)).label(f"{metric.name}_first"),
        func.last(last, part.time).filter(last.is_not(None)).label(f"{metric.name}_last"),
        func.sum(part[f"{metric.name}_grown"]).label(f"{metric.name}_increase"),
        as_micros(func.min(first_at)).label(f"{metric.name}_first_at"),
        as_micros(func.max(last_at)).label(f"{metric.name}_last_at"),
    ]
