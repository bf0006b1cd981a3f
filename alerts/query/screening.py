"""Finds the devices on which a term may hold, by one scan of the whole fleet's rows, before any rule meets a device.

    scopes x devices in their reach (alert_pairs) ⋈ bounds of each device ──▶ scope and device that may be beyond

A device is compared with the loosest thresholds of its scopes (`scopes.py`): by the newest value in the device's row,
and by bounds of its windows. Aggregating one device by itself costs as much as a scan of a hundred rows. So one scan
reads the rows of all devices in the range of the windows, in physical order, and bounds each feature of each device
with as few aggregates as possible. Only the remaining devices are evaluated exactly, so screening never changes a
result.

Not screened by bounds: devices whose interval makes their windows longer, devices with wrong clocks, and small groups
of devices, for which an index is faster than a scan. These always remain, as does a device on which a rule is open.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Interval,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
    union_all,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, UUID

from alerts.query.aggregates import counts_for, share
from alerts.query.scopes import Side
from alerts.query.sources import A_MOMENT, AN_HOUR, CUT, HIGHEST, HOUR_CUT, NONE, metrics_of, windows_of
from alerts.rules.terms import Feature
from db.compiled import compile_query, materialised
from db.hypertables.policies import LEVELS, Level
from db.sql import Statement
from rollups.partials import TIME, ZERO, Partials, bucket_partials, mean, sample_partials

TOUCH = literal_column("1.25::double precision", DOUBLE_PRECISION)  # a window has at least so many intervals
FEW = literal_column("5", BigInteger)  # for less than one in so many devices the index is faster than a scan
MOST = literal_column("2", BigInteger)  # with more than half of the devices all are bounded: single lookups cost more
# Larger than the rounding error of a sum of a million values, which depends on their order.
ROUNDING = literal_column("1e-9::double precision", DOUBLE_PRECISION)
NOT_A_NUMBER = literal_column("'NaN'::double precision", DOUBLE_PRECISION)
INFINITY = literal_column("'Infinity'::double precision", DOUBLE_PRECISION)
# The beginning of the longest window. LOWEST may be days earlier, to find the newest sample of the slowest device.
EARLIEST = bindparam("earliest", type_=TIME)
SCOPES, TENANT = bindparam("scopes", type_=JSONB), bindparam("tenant", type_=UUID)
AMONG, OPEN = bindparam("among", type_=ARRAY(UUID)), bindparam("open", type_=ARRAY(UUID))

# The partial aggregates that bound each part of a metric: the view of a rollup computes every column selected.
PARTS = {
    "min": ("min",), "max": ("max",), "avg": ("sum", "count"), "share": ("sum", "count"), "last": ("min", "max"),
    "change": ("min", "max"),
}  # fmt: skip

Numbered = Sequence[tuple[int, Feature, bool]]  # the number of a side, its feature, and whether beyond means above

all_devices = table(
    "agent_devices", column("id", UUID), column("clock_shift", Interval), column("current_metrics", JSONB)
)


@lru_cache(64)
def screening_statement(level: Level, sides: tuple[Side, ...], *, stitched: bool) -> Statement:
    """Return the statement that finds scopes and devices on which a term may hold at HIGHEST, the instant of the pass.

    `sides`: those of the scopes, in the order of their numbers. Rows: scope, device_id.
    """
    windows = [(number, side, up) for number, (side, up) in enumerate(sides) if isinstance(side, Feature)]
    reach = materialised(reach_of(sides, windows).cte("reach"))
    conditions = [reach.c.always, reach.c.clock_shift != NONE, reach.c.device_id == any_(OPEN)]
    conditions += [
        newest_may_reach(reach, number, name, up=up) for number, (name, up) in enumerate(sides) if isinstance(name, str)
    ]
    source: FromClause = reach
    if windows:
        bounds = materialised(bounds_of(level, windows, reach, stitched=stitched).cte("bounds"))
        conditions += [window_may_reach(reach, bounds, *each) for each in windows]
        source = reach.outerjoin(bounds, bounds.c.device_id == reach.c.device_id)
    return compile_query(select(reach.c.scope, reach.c.device_id).select_from(source).where(or_(*conditions)))


def reach_of(sides: Sequence[Side], windows: Numbered) -> Select[Any]:
    """Select each scope with each of its devices, and the limits of the scope."""
    pair = func.alert_pairs(SCOPES, TENANT, AMONG).table_valued(
        column("leaf", Integer), column("device_id", UUID), column("every", Interval)
    ).alias("pair")  # fmt: skip
    limits = [column(f"limit_{number}", DOUBLE_PRECISION) for number, _ in enumerate(sides)]
    scope = (
        func.jsonb_to_recordset(SCOPES)
        .table_valued(column("leaf", Integer), column("always", Boolean), *limits)
        .render_derived(name="scope", with_types=True)
    )
    joined = pair.join(scope, scope.c.leaf == pair.c.leaf).join(all_devices, all_devices.c.id == pair.c.device_id)
    screened = [
        and_(scope.c[f"limit_{number}"].is_not(None), TOUCH * pair.c.every <= literal(feature.window, Interval))
        for number, feature, _ in windows
    ]
    return select(
        pair.c.leaf.label("scope"), pair.c.device_id, pair.c.every, scope.c.always,
        all_devices.c.clock_shift, all_devices.c.current_metrics, or_(false(), *screened).label("has_windows"),
        *(scope.c[each.name] for each in limits),
    ).select_from(joined)  # fmt: skip


def newest_may_reach(reach: CTE, number: int, name: str, *, up: bool) -> ColumnElement[bool]:
    """Return whether the newest value of a metric is at a limit or beyond it, or unknown."""
    newest = func.alert_number(reach.c.current_metrics.op("->")(literal(name, Text)), type_=DOUBLE_PRECISION)
    limit = reach.c[f"limit_{number}"]
    return and_(limit.is_not(None), reaches(newest, limit, up=up).is_not(False))


def window_may_reach(reach: CTE, bounds: CTE, number: int, feature: Feature, up: bool) -> ColumnElement[bool]:
    """Return whether the bound of a feature is at a limit or beyond it, or there is none for this device."""
    limit = reach.c[f"limit_{number}"]
    longer = TOUCH * reach.c.every > literal(feature.window, Interval)
    bound = bounds.c[f"bound_{number}"]
    return and_(limit.is_not(None), or_(longer, bounds.c.device_id.is_(None), reaches(bound, limit, up=up)))


def reaches(value: ColumnElement[Any], limit: ColumnElement[Any], *, up: bool) -> ColumnElement[bool]:
    """Return whether a value is at a limit or beyond it; the exact evaluation applies `strict`."""
    return value >= limit if up else value <= limit


def bounds_of(level: Level, windows: Numbered, reach: CTE, *, stitched: bool) -> Select[Any]:
    """Select the bound of each side for each device that has windows; no row when such devices are few."""
    features = [feature for _, feature, _ in windows]
    part = union_all(*fleet_rows(level, features, stitched=stitched)).subquery("part")
    spans = sorted(windows_of(features), reverse=True)
    bounds = [
        bound_of(number, feature, part, is_inside(part, feature.window, spans), up=up)
        .label(f"bound_{number}")
        for number, feature, up in windows
    ]  # fmt: skip
    asked = select(reach.c.device_id).where(reach.c.has_windows).distinct()
    count, fleet = (
        select(func.count()).select_from(each).scalar_subquery() for each in (asked.subquery("asked"), all_devices)
    )
    chosen = or_(count * MOST > fleet, part.c.device_id.in_(asked))
    return select(part.c.device_id, *bounds).where(count * FEW > fleet, chosen).group_by(part.c.device_id)


def fleet_rows(level: Level, features: Sequence[Feature], *, stitched: bool) -> Iterator[Select[Any]]:
    """Yield queries for the samples and buckets of all devices that `sources.py` reads for one device."""
    metrics, names = metrics_of(features), parts_of(features)
    raw, bucket = sample_partials(metrics), column("bucket", TIME)
    samples = rows_of(raw, raw.time, names)

    def buckets_of(level: Level, *lies: ColumnElement[bool], front: int = 0) -> Select[Any]:
        rollup = bucket_partials(level.relation, metrics)
        readable_from = rollup.time + (literal(level.bucket, Interval) - A_MOMENT)  # when it is closed
        return rows_of(rollup, readable_from, names, front).where(*lies)

    if level.bucket is None:
        yield samples
        return
    yield samples.where(raw.time >= CUT)
    if not stitched:
        yield buckets_of(level, bucket < CUT)
        return
    _, five, hour, _ = LEVELS
    yield buckets_of(five, bucket >= HOUR_CUT, bucket < CUT)
    yield buckets_of(hour, bucket < HOUR_CUT)
    for number, window in enumerate(sorted(windows_of(features), reverse=True)):
        whole = func.time_bucket(AN_HOUR, since(window), type_=TIME) + AN_HOUR
        yield buckets_of(five, bucket > since(window), bucket < func.least(whole, HOUR_CUT), front=number + 1)


def parts_of(features: Sequence[Feature]) -> list[str]:
    """Return the names of the partial aggregates that bound features, each once."""
    return list(dict.fromkeys(f"{feature.metric.name}_{name}" for feature in features for name in PARTS[feature.part]))


def rows_of(source: Partials, readable_from: ColumnElement[Any], names: Sequence[str], front: int = 0) -> Select[Any]:
    """Select the rows of all devices that lie in the longest window and are readable_from."""
    return select(
        source.table.c.agent_device_id.label("device_id"), source.time.label("time"),
        literal_column(str(front), Integer).label("front"), *source.columns(names),
    ).where(source.time > EARLIEST, source.time <= HIGHEST, readable_from <= HIGHEST)  # fmt: skip


def since(window: timedelta) -> ColumnElement[Any]:
    """Return the start of a window that ends at the instant of the pass."""
    return HIGHEST - literal(window, Interval)


def is_inside(part: FromClause, window: timedelta, windows: Sequence[timedelta]) -> list[ColumnElement[bool]]:
    """Return the condition for a row to be in a window; none if all rows are, as it costs as much as an aggregate."""
    if len(windows) == 1:
        return []
    number = windows.index(window)
    return [counts_for(part, number + 1), *([part.c.time > since(window)] if number else [])]


def bound_of(
    number: int, feature: Feature, part: FromClause, inside: Sequence[ColumnElement[bool]], *, up: bool
) -> ColumnElement[Any]:
    """Return the highest (`up`) or the lowest possible value of a feature; null if its metric has no value."""

    def over(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return value.filter(*inside) if inside else value

    parts = [part.c[f"{feature.metric.name}_{name}"] for name in PARTS[feature.part]]
    rounding = ROUNDING if up else -ROUNDING
    match feature.part:
        case "min":
            return over(func.min(*parts))
        case "max":
            return over(func.max(*parts))
        case "share":
            total, count = parts
            return share(number, feature, mean(total, count), and_(count > ZERO, *inside))
        case "avg":
            total, count = parts
            return mean(over(func.sum(total + rounding * func.abs(total))), over(func.sum(count)))
        case "last":
            low, high = parts
            return over(func.max(high) if up else func.min(low))
        case "change":
            low, high = parts
            least, most = over(func.min(low)), over(func.max(high))
            apart = most - least + ROUNDING * (func.abs(most) + func.abs(least))
            widest = case((apart == NOT_A_NUMBER, INFINITY), else_=apart)
            return widest if up else -widest
