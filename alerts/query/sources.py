"""What is read of each device: its samples and its buckets, all in one form, a piece.

A piece has one metric's min, max, sum, first, last and count from `time` on. `seen` is when its last sample was
taken, `known` from when on it may be looked at.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Interval,
    Select,
    bindparam,
    cast,
    column,
    func,
    literal,
    literal_column,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, TIMESTAMP, UUID

from alerts.rules.terms import Feature
from core.metrics import Metric
from db.hypertables.policies import LEVELS, Level

TIME = TIMESTAMP(timezone=True)
RAW_TIME, BUCKET = column("collected_at", TIME), column("bucket", TIME)
# Samples lie in (lowest, highest]; those of a rollup before `cut`, raw ones from there on.
# Where hours are read too, they end at `hour_cut`, and five minutes fill the gap up to `cut`.
LOWEST, HOUR_CUT, CUT, HIGHEST = (bindparam(name, type_=TIME) for name in ("lowest", "hour_cut", "cut", "highest"))

ZERO = literal_column("0::double precision", DOUBLE_PRECISION)
ZERO_ROWS = literal_column("0", BigInteger)  # OFFSET 0: a subquery that the planner leaves as it is
NONE = literal_column("interval '0'", Interval)
AN_HOUR = literal_column("interval '1 hour'", Interval)
A_MOMENT = literal_column("interval '1 microsecond'", Interval)  # the finest step of the database's clock


def pieces_of(level: Level, features: Sequence[Feature], device: FromClause) -> FromClause:
    """Return a device's samples and its buckets of one level."""
    metrics = metrics_of(features)
    if level.bucket is None:
        return together([raw_pieces(metrics, device)])
    buckets = level_pieces(level, metrics, device).where(BUCKET < CUT)
    return together([raw_pieces(metrics, device).where(RAW_TIME >= CUT), buckets])


def stitched_pieces(features: Sequence[Feature], sought: FromClause) -> FromClause:
    """Return what long windows of a device before one instant hold: few rows, and the same to the last bucket.

    Whole hours within; five minutes where a window begins amidst an hour (`front` is the number of that window, 1 on;
    0 elsewhere) and after the last hour that is complete; samples after that. A day of five minutes is 288 rows, so
    it is about 50.
    """
    metrics = metrics_of(features)
    _, five, hour, _ = LEVELS

    def of(query: Select[Any], front: int = 0) -> Select[Any]:
        return query.add_columns(literal_column(str(front), Integer).label("front"))

    pieces = [
        of(raw_pieces(metrics, sought).where(RAW_TIME >= CUT)),
        of(level_pieces(five, metrics, sought).where(BUCKET >= HOUR_CUT, BUCKET < CUT)),
        of(level_pieces(hour, metrics, sought).where(BUCKET < HOUR_CUT)),
    ]
    for number, _ in enumerate(windows_of(features)):
        since = sought.c[f"since_{number}"]
        whole = func.time_bucket(AN_HOUR, since, type_=TIME) + AN_HOUR
        front = level_pieces(five, metrics, sought).where(since < BUCKET, func.least(whole, HOUR_CUT) > BUCKET)
        pieces.append(of(front, number + 1))
    return together(pieces)


def together(pieces: Sequence[Select[Any]]) -> FromClause:
    """Return all pieces of a device, found by the index that begins with it, whatever the planner thinks."""
    return union_all(*(piece.offset(ZERO_ROWS) for piece in pieces)).lateral("piece")


def windows_of(features: Sequence[Feature]) -> list[timedelta]:
    """Return the windows of features, each once."""
    return list(dict.fromkeys(feature.window for feature in features))


def metrics_of(features: Sequence[Feature]) -> tuple[Metric, ...]:
    """Return the metrics of features, each once."""
    return tuple(dict.fromkeys(feature.metric for feature in features))


def raw_pieces(metrics: Sequence[Metric], read: FromClause) -> Select[Any]:
    """Select a device's raw samples, each in the form of a bucket that holds just it."""
    raw = table(
        "agent_metrics", column("agent_device_id", UUID), column("collected_at", TIME),
        *(column(metric.name, DOUBLE_PRECISION) for metric in metrics),
    )  # fmt: skip
    parts: list[ColumnElement[Any]] = []
    for metric in metrics:
        value = cast(raw.c[metric.name], DOUBLE_PRECISION)
        parts += [value.label(f"{metric.name}_{part}") for part in ("min", "max", "sum", "first", "last")]
        parts.append(cast(func.num_nonnulls(value), DOUBLE_PRECISION).label(f"{metric.name}_count"))
    time = raw.c.collected_at
    query = select(time.label("time"), time.label("seen"), time.label("known"), *parts)
    return bounded(query, raw, time, read)


def level_pieces(level: Level, metrics: Sequence[Metric], read: FromClause) -> Select[Any]:
    """Select a device's buckets; of one first and last are its mean.

    A bucket is known when it is closed: at an instant before, it would hold what came later. Its last sample was seen
    one interval before its end, or at its beginning when intervals are longer.
    """
    assert level.bucket
    kinds = ("min", "max", "sum", "count")
    names = [column(f"{metric.name}_{kind}", DOUBLE_PRECISION) for metric in metrics for kind in kinds]
    rollup = table(level.relation, column("agent_device_id", UUID), column("bucket", TIME), *names)
    parts: list[ColumnElement[Any]] = []
    for metric in metrics:
        low, high, total, count = (rollup.c[f"{metric.name}_{kind}"] for kind in kinds)
        mean = total / known_count(count)
        columns = {"min": low, "max": high, "sum": total, "first": mean, "last": mean, "count": count}
        parts += [columns[part].label(f"{metric.name}_{part}") for part in ("min", "max", "sum", "first", "last")]
        parts.append(cast(count, DOUBLE_PRECISION).label(f"{metric.name}_count"))
    bucket, width = rollup.c.bucket, literal(level.bucket, Interval)
    seen = bucket + func.greatest(width - read.c.every, NONE)
    query = select(bucket.label("time"), seen.label("seen"), (bucket + width - A_MOMENT).label("known"), *parts)
    return bounded(query, rollup, bucket, read)


def bounded(query: Select[Any], source: Any, time: ColumnElement[Any], read: FromClause) -> Select[Any]:
    """Bind a source to one device and the range before all instants; the constant bounds let chunks be left out."""
    return query.where(source.c.agent_device_id == read.c.device_id, time > LOWEST, time <= HIGHEST).correlate(read)


def known_count(count: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a count to divide by: null instead of zero."""
    return func.nullif(cast(count, DOUBLE_PRECISION), ZERO, type_=DOUBLE_PRECISION)
