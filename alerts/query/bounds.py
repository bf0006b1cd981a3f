"""Bounds of the features of all devices, by one scan of the rows in the range of the windows.

A scan reads rows in physical order, and a bound needs few aggregates; aggregating one device by itself costs as much as
scanning a hundred rows. The rows are those that `sources.py` reads for one device; a row counts for a window by the
same conditions, whose times are computed here once for each pass.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
    union_all,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from alerts.query.aggregates import counts_for, share
from alerts.query.sources import metrics_of
from alerts.rules.terms import Feature
from db.hypertables.policies import LEVELS, Level
from rollups.partials import TIME, bucket_partials, mean, sample_partials

# Larger than the rounding error of a sum of a million values, which depends on their order; values are not negative.
ROUNDING = literal_column("1e-9::double precision", DOUBLE_PRECISION)
NOT_A_NUMBER = literal_column("'NaN'::double precision", DOUBLE_PRECISION)
INFINITY = literal_column("'Infinity'::double precision", DOUBLE_PRECISION)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MOMENT = timedelta(microseconds=1)  # the finest step of the database's clock

# The partial aggregates that bound each part of a metric: the view of a rollup computes every column selected.
PARTS = {
    "min": ("min",), "max": ("max",), "avg": ("sum", "count"), "share": ("first",), "last": ("min", "max"),
    "change": ("min", "max"),
}  # fmt: skip

Numbered = Sequence[tuple[int, Feature, bool]]  # the number of a side, its feature, and whether beyond means above


def bounds_of(place: int, level: Level, windows: Numbered, *, stitched: bool) -> Select[Any]:
    """Select device_id and `bound_N` of each side N for each device with rows; `place`: of the statement of the terms.

    The times are parameters (`scan_times`).
    """
    features = [feature for _, feature, _ in windows]
    part = union_all(*fleet_rows(place, level, features, stitched=stitched)).subquery("part")
    bounds = [
        bound_of(number, feature, part, is_inside(place, part, feature.window, features), up=up, raw=not level.bucket)
        .label(f"bound_{number}")
        for number, feature, up in windows
    ]  # fmt: skip
    return select(part.c.device_id, *bounds).group_by(part.c.device_id)


def windows_of_all(features: Sequence[Feature]) -> list[timedelta]:
    """Return the windows of features, each once, the longest first."""
    return sorted({feature.window for feature in features}, reverse=True)


def levels_read(level: Level, fronts: int, *, stitched: bool) -> list[tuple[Level, int]]:
    """Return the levels whose rows are read, each with the number of the window (from 1) whose front it is, or 0."""
    raw, five, hour, _ = LEVELS
    if level.bucket is None:
        return [(raw, 0)]
    if not stitched:
        return [(raw, 0), (level, 0)]
    return [(raw, 0), (five, 0), (hour, 0), *((five, number + 1) for number in range(fronts))]


def scan_times(
    place: int, level: Level, windows: Sequence[timedelta], at: datetime, cuts: tuple[datetime, datetime], *,
    stitched: bool,
) -> dict[str, datetime]:  # fmt: skip
    """Return the parameters of a scan at an instant: when each window begins, and the times (after, until] it reads.

    `windows`: the longest first. `cuts`: until when hours are read, and until when the level's buckets are.
    """
    times = {f"since_{place}_{number}": at - window for number, window in enumerate(windows)}
    reads = levels_read(level, len(windows), stitched=stitched)
    ranges = ranges_read(level, windows, at, cuts, stitched=stitched)
    for (read, front), (after, until) in zip(reads, ranges, strict=True):
        times |= {f"after_{place}_{read.name}_{front}": after, f"until_{place}_{read.name}_{front}": until}
    return times


def ranges_read(
    level: Level, windows: Sequence[timedelta], at: datetime, cuts: tuple[datetime, datetime], *, stitched: bool
) -> list[tuple[datetime, datetime]]:
    """Return the times (after, until] of the rows that are read, in the order of `levels_read`."""
    earliest = at - windows[0]
    if level.bucket is None:
        return [(earliest, at)]
    hour_cut, cut = cuts
    samples = max(earliest, cut - MOMENT), at
    if not stitched:
        return [samples, (earliest, last_closed(level.bucket, at, cut))]
    five = max(earliest, hour_cut - MOMENT), last_closed(5 * MINUTE, at, cut)
    return [
        samples, five, (earliest, last_closed(HOUR, at, hour_cut)),
        *((since, min(next_hour(since), hour_cut) - MOMENT) for since in (at - window for window in windows)),
    ]  # fmt: skip


def last_closed(width: timedelta, at: datetime, cut: datetime) -> datetime:
    """Return when the last bucket before a cut may begin that is closed at an instant."""
    return min(cut - MOMENT, at + MOMENT - width)


def next_hour(at: datetime) -> datetime:
    """Return the beginning of the hour after that of an instant."""
    return at.replace(minute=0, second=0, microsecond=0) + HOUR


def fleet_rows(place: int, level: Level, features: Sequence[Feature], *, stitched: bool) -> Iterator[Select[Any]]:
    """Yield queries for the rows of all devices, with the partial aggregates that bound the features."""
    metrics = metrics_of(features)
    names = dict.fromkeys(f"{feature.metric.name}_{name}" for feature in features for name in PARTS[feature.part])
    for read, front in levels_read(level, len(windows_of_all(features)), stitched=stitched):
        source = bucket_partials(read.relation, metrics) if read.bucket else sample_partials(metrics)
        after, until = (bindparam(f"{name}_{place}_{read.name}_{front}", type_=TIME) for name in ("after", "until"))
        yield select(
            source.table.c.agent_device_id.label("device_id"), source.time.label("time"),
            literal_column(str(front), Integer).label("front"), *source.columns(names),
        ).where(source.time > after, source.time <= until)  # fmt: skip


def is_inside(
    place: int, part: FromClause, window: timedelta, features: Sequence[Feature]
) -> list[ColumnElement[bool]]:
    """Return the condition for a row to be in a window; none if all rows are, as it costs as much as an aggregate."""
    windows = windows_of_all(features)
    if len(windows) == 1:
        return []
    number = windows.index(window)
    since = bindparam(f"since_{place}_{number}", type_=TIME)
    return [counts_for(part, number + 1), *([part.c.time > since] if number else [])]


def bound_of(
    number: int, feature: Feature, part: FromClause, inside: Sequence[ColumnElement[bool]], *, up: bool, raw: bool
) -> ColumnElement[Any]:
    """Return the highest (`up`) or the lowest possible value of a feature; null if its metric has no value."""

    def over(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return value.filter(*inside) if inside else value

    parts = [part.c[f"{feature.metric.name}_{name}"] for name in PARTS[feature.part]]
    match feature.part:
        case "min":
            return over(func.min(*parts))
        case "max":
            return over(func.max(*parts))
        case "share":
            (value,) = parts
            return share(number, feature, value, and_(value.is_not(None), *inside))
        case "avg":
            total, count = parts
            counted = cast(over(func.count(total)), DOUBLE_PRECISION) if raw else over(func.sum(count))
            return rounded(mean(over(func.sum(total)), counted), up=up)
        case "last":
            low, high = parts
            return over(func.max(high) if up else func.min(low))
        case "change":
            low, high = parts
            apart = rounded(over(func.max(high)) - over(func.min(low)), up=True)
            widest = case((apart == NOT_A_NUMBER, INFINITY), else_=apart)
            return widest if up else -widest


def rounded(value: ColumnElement[Any], *, up: bool) -> ColumnElement[Any]:
    """Return a value with the rounding error of its sum added (`up`) or subtracted."""
    error = ROUNDING * func.abs(value)
    return value + error if up else value - error
