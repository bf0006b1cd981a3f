"""The rows that an evaluation reads of a device: partial aggregates of samples and buckets (`rollups/partials.py`).

Each has three times: `time` is its beginning, `seen` the time of its last sample, `readable_from` the
time from which it may be read.
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

RAW_TIME, BUCKET, RECEIVED = column("collected_at", TIME), column("bucket", TIME), column("received_at", TIME)
HALF = literal_column("0.5::double precision", DOUBLE_PRECISION)
# Rows of (lowest, highest] are read: buckets before `cut`, raw samples from there on.
# If hours are read too, they end at `hour_cut`, and five-minute buckets fill the gap up to `cut`.
LOWEST, HOUR_CUT, CUT, HIGHEST = (bindparam(name, type_=TIME) for name in ("lowest", "hour_cut", "cut", "highest"))

ZERO_ROWS = literal_column("0", BigInteger)  # OFFSET 0: a subquery that the planner leaves as it is
NONE = literal_column("interval '0'", Interval)
ONE_HOUR = literal_column("interval '1 hour'", Interval)
CLOCK_STEP = literal_column("interval '1 microsecond'", Interval)  # the finest step of the database's clock


def partials_of(
    level: Level, features: Sequence[Feature], device: FromClause, *, are_shifted: bool = False
) -> FromClause:  # fmt: skip
    """Return a device's samples and its buckets of one level.

    `are_shifted`: the clocks of the devices are behind. Samples from before a clock was set back, which have the same
    times as later ones, are left out.
    """
    metrics = metrics_of(features)
    if level.bucket is None:
        raw = raw_partials(metrics, device)
        if are_shifted:
            raw = raw.where(RECEIVED + device.c.shift.op("*", return_type=Interval())(HALF) > RAW_TIME)
        return union_sources([raw])
    buckets = level_partials(level, metrics, device).where(BUCKET < CUT)
    return union_sources([raw_partials(metrics, device).where(RAW_TIME >= CUT), buckets])


def stitched_partials(features: Sequence[Feature], sought: FromClause) -> FromClause:
    """Return the rows of long windows of a device before one instant, exact to the bucket and few in number.

    Whole hours inside a window; five-minute buckets in the hour in which a window begins (`front` is the number of that
    window from 1; 0 elsewhere) and after the last complete hour; raw samples after those. A day has about 50 such rows
    instead of 288 five-minute buckets.
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
        whole = func.time_bucket(ONE_HOUR, since, type_=TIME) + ONE_HOUR
        front = level_partials(five, metrics, sought).where(since < BUCKET, func.least(whole, HOUR_CUT) > BUCKET)
        partials.append(with_front(front, number + 1))
    return union_sources(partials)


def union_sources(partials: Sequence[Select[Any]]) -> FromClause:
    """Return the union of partials; OFFSET 0 keeps the planner from using another index than that by device."""
    return union_all(*(part.offset(ZERO_ROWS) for part in partials)).lateral("part")


def windows_of(features: Sequence[Feature]) -> list[timedelta]:
    """Return the distinct windows of features, in the order of the features."""
    return list(dict.fromkeys(feature.window for feature in features))


def metrics_of(features: Sequence[Feature]) -> tuple[Metric, ...]:
    """Return the distinct metrics of features, in the order of the features."""
    return tuple(dict.fromkeys(feature.metric for feature in features))


def raw_partials(metrics: Sequence[Metric], read: FromClause) -> Select[Any]:
    """Select a device's raw samples; one is seen and readable at its own time."""
    raw = sample_partials(metrics)
    at = [raw.time.label(name) for name in ("time", "seen", "readable_from")]
    return bind_device(select(*at, *raw.columns(part_names(metrics))), raw, read)


def level_partials(level: Level, metrics: Sequence[Metric], read: FromClause) -> Select[Any]:
    """Select a device's buckets.

    A bucket is readable when it is closed: before that it would contain samples later than the instant. Its last
    sample is taken as seen one interval before its end, or at its beginning if intervals are longer.
    """
    assert level.bucket
    rollup = bucket_partials(level.relation, metrics)
    bucket, width = rollup.time, literal(level.bucket, Interval)
    last_sample = bucket + func.greatest(width - read.c.every, NONE)
    at = bucket.label("time"), last_sample.label("seen"), (bucket + width - CLOCK_STEP).label("readable_from")
    return bind_device(select(*at, *rollup.columns(part_names(metrics))), rollup, read)


def bind_device(query: Select[Any], source: Partials, read: FromClause) -> Select[Any]:
    """Bind a source to one device and the range before all instants; constant bounds let the planner exclude chunks."""
    is_device = source.table.c.agent_device_id == read.c.device_id
    return query.where(is_device, source.time > LOWEST, source.time <= HIGHEST).correlate(read)


def count_or_null(count: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a count to divide by: null instead of zero."""
    return func.nullif(cast(count, DOUBLE_PRECISION), ZERO, type_=DOUBLE_PRECISION)
