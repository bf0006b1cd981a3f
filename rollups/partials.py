"""Partial aggregates: the values of each metric in a raw sample or in a bucket of a level, in one form.

    of a gauge     min, max, sum, count, first, last       (of a bucket first and last are its mean)
    of a counter   first, last, increase, first_at, last_at (first is below zero after a break, last never is)

Charts (`chart_sql.py`) and alerts (`alerts/query/sources.py`) are composed over them: one aggregate over raw samples
and buckets together gives the same result as one over the samples alone. Names come from the catalogue of metrics.

Forecasts and baselines (`alerts/query/forecasts.sql`, `baselines.sql`) don't use this module: each reads one part of
the closed buckets of a level, with a metric per row instead of a column per metric, so static SQL is simpler there.
The export reads whole rows of samples and aggregates nothing.
"""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, TableClause, case, cast, column, func, literal_column, table
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, TIMESTAMP, UUID
from sqlalchemy.types import BigInteger

from core.metrics import Kind, Metric

TIME = TIMESTAMP(timezone=True)
ZERO = literal_column("0::double precision", DOUBLE_PRECISION)
GAUGE_PARTS = ("min", "max", "sum", "count", "first", "last")
STORED_GAUGE_PARTS = ("min", "max", "sum", "count")  # the columns of a rollup
COUNTER_PARTS = ("first", "last", "increase", "first_at", "last_at")


class Partials(NamedTuple):
    """A relation of partial aggregates: its table, the time of a row, the parts of its metrics by name."""

    table: TableClause
    time: ColumnElement[Any]
    parts: dict[str, ColumnElement[Any]]

    def columns(self, names: Iterable[str]) -> list[ColumnElement[Any]]:
        """Return the parts `<metric>_<part>` as columns of these names."""
        return [self.parts[name].label(name) for name in names]


def part_names(metrics: Iterable[Metric], of_gauges: Sequence[str] = GAUGE_PARTS) -> list[str]:
    """Return the names of the parts of metrics: `cpu_percent_sum` …."""
    return [
        f"{metric.name}_{part}"
        for metric in metrics
        for part in (of_gauges if metric.kind is Kind.GAUGE else COUNTER_PARTS)
    ]


def sample_partials(metrics: Sequence[Metric]) -> Partials:
    """Return the raw samples, each in the form of a bucket that holds just it."""
    values = [column(metric.name, DOUBLE_PRECISION) for metric in metrics]
    raw = table("agent_metrics", column("agent_device_id", UUID), column("collected_at", TIME), *values)
    time = raw.c.collected_at
    parts: list[ColumnElement[Any]] = []
    for metric in metrics:
        value = cast(raw.c[metric.name], DOUBLE_PRECISION)
        if metric.kind is Kind.GAUGE:
            parts += [value, value, value, cast(func.num_nonnulls(value), DOUBLE_PRECISION), value, value]
        else:
            at = case((value.is_not(None), time))
            parts += [value, counter_value(value), ZERO, at, at]
    return Partials(raw, time, dict(zip(part_names(metrics), parts, strict=True)))


def bucket_partials(relation: str, metrics: Sequence[Metric]) -> Partials:
    """Return the buckets of a level; counts as double precision, whose sums are quick and as exact."""
    names = part_names(metrics, STORED_GAUGE_PARTS)
    stored = [column(name, TIME if name.endswith("_at") else DOUBLE_PRECISION) for name in names]
    level = table(
        relation, column("agent_device_id", UUID), column("bucket", TIME), column("sample_count", BigInteger), *stored
    )
    parts: list[ColumnElement[Any]] = []
    for metric in metrics:
        if metric.kind is Kind.GAUGE:
            low, high, total, stored_count = (level.c[f"{metric.name}_{part}"] for part in STORED_GAUGE_PARTS)
            count = cast(stored_count, DOUBLE_PRECISION)
            parts += [low, high, total, count, mean(total, count), mean(total, count)]
        else:
            first, last, *rest = (level.c[f"{metric.name}_{part}"] for part in COUNTER_PARTS)
            parts += [first, counter_value(last), *rest]
    return Partials(level, level.c.bucket, dict(zip(part_names(metrics), parts, strict=True)))


def mean(total: ColumnElement[Any], count: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a mean from a sum and a count; null where nothing was counted."""
    average: ColumnElement[Any] = total.op("/", return_type=DOUBLE_PRECISION())(func.nullif(count, ZERO))
    return average


def counter_value(value: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the value of a counter; a break is stored as -value - 1 (`ingest/counter_breaks.py`)."""
    return func.counter_value(value, type_=DOUBLE_PRECISION)
