"""Leaves out the terms over a window that can't be beyond their threshold, by one scan of the whole fleet's rows.

To aggregate one device by itself takes as long as to read a hundred rows in passing. So the rows of all devices in the
range of the windows are read once, in the order in which they lie, and bound each feature of each device with as few
aggregates as possible. A term stays when its bound is beyond its threshold, when its rule is open on the device, or
when the device has no bound; only the devices of these terms are aggregated exactly, so the reported results are the
same with and without.

Not screened: terms that the newest value decides, devices whose interval makes their windows longer, wrong clocks, and
small groups of devices, which the index finds sooner than a scan.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Interval,
    Select,
    and_,
    bindparam,
    case,
    column,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, UUID, array

from alerts.query.aggregates import counts_for, share
from alerts.query.comparison import ONE, is_open
from alerts.query.sources import A_MOMENT, AN_HOUR, CUT, HIGHEST, HOUR_CUT, metrics_of
from alerts.rules.terms import Feature, Term
from core.metrics import Metric
from db.compiled import materialised
from db.hypertables.policies import LEVELS, Level
from rollups.partials import TIME, ZERO, Partials, bucket_partials, mean, part_names, sample_partials

TOUCH = literal_column("1.25::double precision", DOUBLE_PRECISION)  # intervals that a window has at least
FEW = literal_column("5", BigInteger)  # of so many devices one is found by the index sooner than by a scan
# More than the rounding of a sum of a million values: sums in another order may differ by it.
ROUNDING = literal_column("1e-9::double precision", DOUBLE_PRECISION)
NO_VALUE = literal_column("NULL::double precision", DOUBLE_PRECISION)
NOT_A_NUMBER = literal_column("'NaN'::double precision", DOUBLE_PRECISION)
INFINITY = literal_column("'Infinity'::double precision", DOUBLE_PRECISION)
# Where the longest window begins. LOWEST may lie days before: the newest sample of the slowest device is sought there.
EARLIEST = bindparam("earliest", type_=TIME)

Side = tuple[Feature, bool]  # a feature that alone decides a term, and whether beyond its threshold means above

all_devices = table("agent_devices", column("id", UUID))


def sides_of(terms: Iterable[Term]) -> tuple[Side, ...]:
    """Return the features whose value alone decides a term, each with the side on which the term's threshold lies."""
    found = {(term.feature, term.up) for term in terms if term.feature and term.by_value}
    return tuple(sorted(found, key=repr))


def screened(level: Level, features: Sequence[Feature], sides: Sequence[Side], pairs: CTE, *, stitched: bool) -> CTE:
    """Return the pairs of terms and devices that may be beyond their threshold at HIGHEST, the instant of the pass.

    `sides`: those of the terms; `features`: all of the statement, in the order of their numbers.
    """
    candidates = materialised(candidate_devices(pairs).cte("candidates"))
    bounds = materialised(bounds_of(level, features, sides, candidates, stitched=stitched).cte("bounds"))
    return materialised(remaining(pairs, bounds).cte("remaining"))


def can_be_screened(pair: Any) -> ColumnElement[bool]:
    """Return whether a window's value alone decides, and the window is the same for each device."""
    return and_(pair.by_value, TOUCH * pair.every <= pair.span)


def candidate_devices(pairs: CTE) -> Select[Any]:
    """Select the devices for which a bound is needed."""
    return select(pairs.c.device_id).where(can_be_screened(pairs.c)).distinct()


def remaining(pairs: CTE, bounds: CTE) -> Select[Any]:
    """Select the pairs that the bounds don't rule out."""
    place = pairs.c.feature + ONE
    bound = case((pairs.c.is_up, bounds.c.highs[place]), else_=bounds.c.lows[place])
    beyond = func.alert_beyond(bound, pairs.c.is_up, pairs.c.is_strict, pairs.c.value_threshold, type_=Boolean)
    kept = or_(not_(can_be_screened(pairs.c)), bounds.c.device_id.is_(None), beyond, is_open(pairs.c))
    return select(*pairs.c).select_from(pairs.outerjoin(bounds, bounds.c.device_id == pairs.c.device_id)).where(kept)


def bounds_of(
    level: Level, features: Sequence[Feature], sides: Sequence[Side], candidates: CTE, *, stitched: bool
) -> Select[Any]:
    """Select for each candidate the highest and the lowest that its features can be; no row when candidates are few."""
    part = union_all(*fleet_rows(level, sides, stitched=stitched)).subquery("part")

    def bounds(*, up: bool) -> ColumnElement[Any]:
        found = [
            bound_of(number, feature, part, is_inside(part, feature.window, windows_of_sides(sides)), up=up)
            if (feature, up) in sides else NO_VALUE
            for number, feature in enumerate(features)
        ]  # fmt: skip
        return array(found, type_=DOUBLE_PRECISION)

    asked, fleet = (select(func.count()).select_from(each).scalar_subquery() for each in (candidates, all_devices))
    return (
        select(part.c.device_id, bounds(up=True).label("highs"), bounds(up=False).label("lows"))
        .where(asked * FEW > fleet, part.c.device_id.in_(select(candidates.c.device_id)))
        .group_by(part.c.device_id)
    )


def windows_of_sides(sides: Sequence[Side]) -> list[timedelta]:
    """Return the windows of features that are screened, each once, the longest first."""
    return sorted({feature.window for feature, _ in sides}, reverse=True)


def fleet_rows(level: Level, sides: Sequence[Side], *, stitched: bool) -> Iterator[Select[Any]]:
    """Yield what is read of all devices: the samples and buckets that `sources.py` reads of one device."""
    metrics = metrics_of([feature for feature, _ in sides])
    raw, bucket = sample_partials(metrics), column("bucket", TIME)
    samples = rows_of(raw, raw.time, metrics)
    if level.bucket is None:
        yield samples
        return
    yield samples.where(raw.time >= CUT)
    if not stitched:
        yield buckets_of(level, metrics, bucket < CUT)
        return
    _, five, hour, _ = LEVELS
    yield buckets_of(five, metrics, bucket >= HOUR_CUT, bucket < CUT)
    yield buckets_of(hour, metrics, bucket < HOUR_CUT)
    for number, window in enumerate(windows_of_sides(sides)):
        whole = func.time_bucket(AN_HOUR, since(window), type_=TIME) + AN_HOUR
        yield buckets_of(five, metrics, bucket > since(window), bucket < func.least(whole, HOUR_CUT), front=number + 1)


def buckets_of(level: Level, metrics: Sequence[Metric], *lies: ColumnElement[bool], front: int = 0) -> Select[Any]:
    """Select the buckets of a level; one is known when it is closed."""
    rollup = bucket_partials(level.relation, metrics)
    known = rollup.time + (literal(level.bucket, Interval) - A_MOMENT)
    return rows_of(rollup, known, metrics, front).where(*lies)


def rows_of(source: Partials, known: ColumnElement[Any], metrics: Sequence[Metric], front: int = 0) -> Select[Any]:
    """Select the rows of all devices that lie in the longest window and are known."""
    return select(
        source.table.c.agent_device_id.label("device_id"), source.time.label("time"),
        literal_column(str(front), Integer).label("front"), *source.columns(part_names(metrics)),
    ).where(source.time > EARLIEST, source.time <= HIGHEST, known <= HIGHEST)  # fmt: skip


def since(window: timedelta) -> ColumnElement[Any]:
    """Return from when on a window counts."""
    return HIGHEST - literal(window, Interval)


def is_inside(part: FromClause, window: timedelta, windows: Sequence[timedelta]) -> list[ColumnElement[bool]]:
    """Return when a row counts for a window: no condition where all do, since one costs as much as an aggregate."""
    if len(windows) == 1:
        return []
    number = windows.index(window)
    return [counts_for(part, number + 1), *([part.c.time > since(window)] if number else [])]


def bound_of(
    number: int, feature: Feature, part: FromClause, inside: Sequence[ColumnElement[bool]], *, up: bool
) -> ColumnElement[Any]:
    """Return the highest (`up`) or the lowest that a feature can be; null where its metric has no value."""

    def over(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return value.filter(*inside) if inside else value

    low, high, total, count = (part.c[f"{feature.metric.name}_{kind}"] for kind in ("min", "max", "sum", "count"))
    rounding = ROUNDING if up else -ROUNDING
    match feature.part:
        case "min":
            return over(func.min(low))
        case "max":
            return over(func.max(high))
        case "share":
            return share(number, feature, mean(total, count), and_(count > ZERO, *inside))
        case "avg":
            return over(func.sum(total + rounding * func.abs(total))) / func.nullif(over(func.sum(count)), ZERO)
        case "last":
            return over(func.max(high) if up else func.min(low))
        case "change":
            least, most = over(func.min(low)), over(func.max(high))
            apart = most - least + ROUNDING * (func.abs(most) + func.abs(least))
            widest = case((apart == NOT_A_NUMBER, INFINITY), else_=apart)
            return widest if up else -widest
