"""The chart query, composed by SQLAlchemy from typed tables: its columns depend on the metrics asked for.

A *piece* is a bucket of the chosen level below its watermark, or a raw sample at or after it; both have the same
columns, so that one aggregate over both gives the buckets of the chart. Names come from the catalogue of metrics,
values are bound: nothing of a request becomes SQL text.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Select,
    TableClause,
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
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, TIMESTAMP, UUID, aggregate_order_by
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.types import BigInteger, Interval

from db.metrics import Kind, Metric
from rollups.choose import MAX_POINTS

TIME = TIMESTAMP(timezone=True)
DEVICE = bindparam("device", type_=UUID)
TENANT = bindparam("tenant", type_=UUID)
# Buckets of the level lie in [start, cut), raw samples in [cut, end).
START, CUT, END = (bindparam(name, type_=TIME) for name in ("start", "cut", "end"))
WIDTH = bindparam("width", type_=Interval)

ONE, ZERO = literal_column("1", BigInteger), literal_column("0", DOUBLE_PRECISION)
MOST_SAMPLES = MAX_POINTS + 1  # of a chart of raw samples: one more than allowed shows that there are too many
GAUGE_PARTS = ("sum", "count", "min", "max")
COUNTER_PARTS = ("first", "last", "increase", "first_at", "last_at")

devices = table("agent_devices", column("id", UUID), column("business_id", UUID))
raw = table("agent_metrics", column("agent_device_id", UUID), column("collected_at", TIME))


class ChartQuery(NamedTuple):
    """SQL for asyncpg and the names of its `$1`, `$2` … in order."""

    sql: str
    parameters: tuple[str, ...]

    def arguments(self, **values: Any) -> list[Any]:
        """Return `values` in the order of the parameters."""
        return [values[name] for name in self.parameters]


@lru_cache(256)
def chart_query(relation: str | None, metrics: tuple[Metric, ...], *, bucketed: bool) -> ChartQuery:
    """Return the query for a level (`relation`, None: raw samples only), its columns named by `parts_of`.

    `bucketed` groups by `width`; otherwise each raw sample is a row. Rows come in time order.
    """
    pieces = [raw_pieces(metrics)]
    if relation is not None:
        pieces.insert(0, level_pieces(relation, metrics))
    piece = (union_all(*pieces) if len(pieces) > 1 else pieces[0]).subquery("piece")
    time = func.time_bucket(WIDTH, piece.c.time, type_=TIME) if bucketed else piece.c.time
    query: Select[Any] = select(time.label("bucket"), *merged(piece.c, metrics)).group_by("bucket").order_by("bucket")
    if not bucketed:
        query = query.limit(literal_column(str(MOST_SAMPLES), BigInteger))
    compiled = query.compile(dialect=dialect())  # type: ignore[no-untyped-call]
    return ChartQuery(str(compiled), tuple(compiled.positiontup or ()))


def parts_of(metric: Metric) -> tuple[str, ...]:
    """Return the names of a metric's columns in a rollup and in a piece: `cpu_percent_sum` …."""
    parts = GAUGE_PARTS if metric.kind is Kind.GAUGE else COUNTER_PARTS
    return tuple(f"{metric.name}_{part}" for part in parts)


def type_of(part: str) -> Any:
    """Return the type of a rollup's column by its name."""
    return TIME if part.endswith("_at") else DOUBLE_PRECISION


def level_pieces(relation: str, metrics: Sequence[Metric]) -> Select[Any]:
    """Select a device's closed buckets of one level."""
    parts = [column(name, type_of(name)) for metric in metrics for name in parts_of(metric)]
    level = table(
        relation, column("agent_device_id", UUID), column("bucket", TIME), column("sample_count", BigInteger), *parts
    )
    columns = (level.c.bucket.label("time"), level.c.sample_count, *(level.c[part.name] for part in parts))
    wanted = select(*columns).where(level.c.bucket >= START, level.c.bucket < CUT)
    return of_the_device(wanted, level)


def raw_pieces(metrics: Sequence[Metric]) -> Select[Any]:
    """Select a device's raw samples, each in the form of a bucket that holds just it."""
    at = raw.c.collected_at
    columns = [at.label("time"), ONE.label("sample_count")]
    values = [value for metric in metrics for value in sample_parts(metric)]
    return of_the_device(select(*columns, *values).where(at >= CUT, at < END), raw)


def sample_parts(metric: Metric) -> list[ColumnElement[Any]]:
    """Return one sample's value in the form of a rollup's columns."""
    value = as_double(metric)
    parts: list[ColumnElement[Any]]
    if metric.kind is Kind.GAUGE:
        parts = [value, func.num_nonnulls(value), value, value]
    else:
        time = case((value.is_not(None), raw.c.collected_at))
        parts = [value, value, ZERO, time, time]
    return [part.label(name) for part, name in zip(parts, parts_of(metric), strict=True)]


def of_the_device(query: Select[Any], source: TableClause) -> Select[Any]:
    """Bind a query to one device, and that device to the caller's tenant (null: an employee)."""
    return query.select_from(source.join(devices, devices.c.id == source.c.agent_device_id)).where(
        source.c.agent_device_id == DEVICE,
        devices.c.id == DEVICE,
        TENANT.is_(None) | (devices.c.business_id == TENANT),
    )


def merged(piece: Any, metrics: Sequence[Metric]) -> list[ColumnElement[Any]]:
    """Return the columns of a chart's bucket: how many samples, then each metric's parts."""
    columns: list[ColumnElement[Any]] = [cast(func.sum(piece.sample_count), BigInteger).label("sample_count")]
    for metric in metrics:
        columns += merged_gauge(piece, metric) if metric.kind is Kind.GAUGE else merged_counter(piece, metric)
    return columns


def merged_gauge(piece: Any, metric: Metric) -> list[ColumnElement[Any]]:
    """Return average, minimum and maximum of a gauge over the pieces of a bucket."""
    total, count, low, high = (piece[name] for name in parts_of(metric))
    return [
        (func.sum(total) / func.nullif(cast(func.sum(count), DOUBLE_PRECISION), ZERO)).label(metric.name),
        func.min(low).label(f"{metric.name}_min"),
        func.max(high).label(f"{metric.name}_max"),
    ]


def merged_counter(piece: Any, metric: Metric) -> list[ColumnElement[Any]]:
    """Return first, last, their times and the increase of a counter over the pieces of a bucket."""
    first, last, increase, first_at, last_at = (piece[name] for name in parts_of(metric))
    return [
        func.first(first, piece.time).filter(first.is_not(None)).label(f"{metric.name}_first"),
        func.last(last, piece.time).filter(last.is_not(None)).label(f"{metric.name}_last"),
        func.counter_increase(first, last, aggregate_order_by(increase, piece.time)).label(f"{metric.name}_increase"),
        func.min(first_at).label(f"{metric.name}_first_at"),
        func.max(last_at).label(f"{metric.name}_last_at"),
    ]


def as_double(metric: Metric) -> ColumnElement[Any]:
    """Return a metric's raw column as double precision, as the rollups have it."""
    return cast(column(metric.name), DOUBLE_PRECISION)
