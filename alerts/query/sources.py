"""What is read of each device: the partial aggregates of its samples and buckets (`rollups/partials.py`).

Each has three times: `time` is its beginning, `seen` when its last sample was taken, `known` from when on it may be
read.
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
    union_all,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from alerts.rules.terms import Feature
from core.metrics import Metric
from db.hypertables.policies import LEVELS, Level
from rollups.partials import TIME, ZERO, Partials, bucket_partials, part_names, sample_partials

RAW_TIME, BUCKET = column("collected_at", TIME), column("bucket", TIME)
# Samples lie in (lowest, highest]; those of a rollup before `cut`, raw ones from there on.
# Where hours are read too, they end at `hour_cut`, and five minutes fill the gap up to `cut`.
LOWEST, HOUR_CUT, CUT, HIGHEST = (bindparam(name, type_=TIME) for name in ("lowest", "hour_cut", "cut", "highest"))

ZERO_ROWS = literal_column("0", BigInteger)  # OFFSET 0: a subquery that the planner leaves as it is
NONE = literal_column("interval '0'", Interval)
AN_HOUR = literal_column("interval '1 hour'", Interval)
A_MOMENT = literal_column("interval '1 microsecond'", Interval)  # the finest step of the database's clock


def partials_of(level: Level, features: Sequence[Feature], device: FromClause) -> FromClause:
    """Return a device's samples and its buckets of one level."""
    metrics = metrics_of(features)
    if level.bucket is None:
        return union_sources([raw_partials(metrics, device)])
    buckets = level_partials(level, metrics, device).where(BUCKET < CUT)
    return union_sources([raw_partials(metrics, device).where(RAW_TIME >= CUT), buckets])


def stitched_partials(features: Sequence[Feature], sought: FromClause) -> FromClause:
    """Return what long windows of a device before one instant hold: few rows, and the same to the last bucket.

    Whole hours within; five minutes where a window begins amidst an hour (`front` is the number of that window, 1 on;
    0 elsewhere) and after the last hour that is complete; samples after that. A day of five minutes is 288 rows, so
    it is about 50.
    """
    metrics = metrics_of(features)
    _, five, hour, _ = LEVELS

    def with_front(query: Select[Any], front: int = 0) -> Select[Any]:
        return query.add_columns(literal_column(str(front), Integer).label("front"))

    partials = [
        with_front(raw_partials(metrics, sought).where(RAW_TIME >= CUT)),
        with_front(level_partials(five, metrics, sought).where(BUCKET >= HOUR_CUT, BUCKET < CUT)),
        with_front(level_partials(hour, metrics, sought).where(BUCKET < HOUR_CUT)),
    ]
    for number, _ in enumerate(windows_of(features)):
        since = sought.c[f"since_{number}"]
        whole = func.time_bucket(AN_HOUR, since, type_=TIME) + AN_HOUR
        front = level_partials(five, metrics, sought).where(since < BUCKET, func.least(whole, HOUR_CUT) > BUCKET)
        partials.append(with_front(front, number + 1))
    return union_sources(partials)


def union_sources(partials: Sequence[Select[Any]]) -> FromClause:
    """Return all partials of a device, found by the index that begins with it, whatever the planner thinks."""
    return union_all(*(part.offset(ZERO_ROWS) for part in partials)).lateral("part")


def windows_of(features: Sequence[Feature]) -> list[timedelta]:
    """Return the windows of features, each once."""
    return list(dict.fromkeys(feature.window for feature in features))


def metrics_of(features: Sequence[Feature]) -> tuple[Metric, ...]:
    """Return the metrics of features, each once."""
    return tuple(dict.fromkeys(feature.metric for feature in features))


def raw_partials(metrics: Sequence[Metric], read: FromClause) -> Select[Any]:
    """Select a device's raw samples; one is seen and known at its own time."""
    raw = sample_partials(metrics)
    at = [raw.time.label(name) for name in ("time", "seen", "known")]
    return bind_device(select(*at, *raw.columns(part_names(metrics))), raw, read)


def level_partials(level: Level, metrics: Sequence[Metric], read: FromClause) -> Select[Any]:
    """Select a device's buckets.

    A bucket is known when it is closed: at an instant before, it would hold what came later. Its last sample was seen
    one interval before its end, or at its beginning when intervals are longer.
    """
    assert level.bucket
    rollup = bucket_partials(level.relation, metrics)
    bucket, width = rollup.time, literal(level.bucket, Interval)
    last_sample = bucket + func.greatest(width - read.c.every, NONE)
    at = bucket.label("time"), last_sample.label("seen"), (bucket + width - A_MOMENT).label("known")
    return bind_device(select(*at, *rollup.columns(part_names(metrics))), rollup, read)


def bind_device(query: Select[Any], source: Partials, read: FromClause) -> Select[Any]:
    """Bind a source to one device and the range before all instants; the constant bounds let chunks be left out."""
    is_device = source.table.c.agent_device_id == read.c.device_id
    return query.where(is_device, source.time > LOWEST, source.time <= HIGHEST).correlate(read)


def known_count(count: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a count to divide by: null instead of zero."""
    return func.nullif(cast(count, DOUBLE_PRECISION), ZERO, type_=DOUBLE_PRECISION)
