"""Conditions → SQL: one statement for all metric conditions whose windows fit one level, however many rules there are.

    terms x devices in their reach (alert_pairs; few after screening.py) ──▶ which devices are read
    for each device: samples or rollups ⋈ instants, over the longest window ──▶ arrays, a place for each feature in use
    terms ⋈ the arrays of their device ──▶ compared (comparison.py) ──▶ rows where something has begun or is open

Composed by SQLAlchemy from typed tables, because its columns depend on the features in use (their names come from the
catalogue of metrics); thresholds, windows, ids and times are bound. The instants are an argument: one for live
evaluation, thousands for a backtest. A device is read once, whatever the number of its rules.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Interval,
    Select,
    Text,
    and_,
    bindparam,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, UUID, array

from alerts.query.aggregates import arrays_of
from alerts.query.comparison import EVERYTHING, compare_terms, is_open
from alerts.query.screening import AMONG, MIN_WINDOW_INTERVALS, TENANT
from alerts.query.sources import NONE, partials_of, stitched_partials, windows_of
from alerts.rules.terms import Feature
from db.compiled import compile_query, materialised
from db.hypertables.policies import LEVELS, Level
from db.sql import Statement
from rollups.partials import TIME

# Longer windows are read from rollups, whose newest buckets are not closed yet: raw samples after the watermark fill
# the gap.
RAW_UP_TO, FIVE_MINUTES_UP_TO = timedelta(hours=2), timedelta(hours=48)

TERMS = bindparam("terms", type_=JSONB)
INSTANTS = bindparam("instants", type_=ARRAY(TIME))
LOOKBACK = bindparam("lookback", type_=Interval)

devices = table(
    "agent_devices", column("id", UUID), column("clock_shift", Interval), column("owned_since", TIME)
)  # fmt: skip
LONG_AGO = literal_column("'-infinity'::timestamptz", TIME)

FRESH = literal_column("2.5::double precision", DOUBLE_PRECISION)  # intervals for which a sample is the newest

PAIR = {
    "rule_id": UUID, "leaf": Integer, "device_id": UUID, "every": Interval, "feature": Integer, "is_up": Boolean,
    "is_strict": Boolean, "value_threshold": DOUBLE_PRECISION, "last_threshold": DOUBLE_PRECISION,
    "recovery": DOUBLE_PRECISION, "by_value": Boolean, "span": Interval, "name": Text,
    "deviations": DOUBLE_PRECISION, "floor": DOUBLE_PRECISION, "now_value": DOUBLE_PRECISION,
}  # fmt: skip

# The number of instants. "one, stitched": whole hours are read within long windows (`can_stitch`).
Instants = Literal["one", "one, stitched", "many"]
# The devices: all as if their clocks were right, those whose clocks are right, or the others by their own time.
Clocks = Literal["all", "right", "wrong"]


def level_for(window: timedelta) -> Level:
    """Return the level for a window: raw up to RAW_UP_TO, 5m up to FIVE_MINUTES_UP_TO, 1h beyond."""
    raw, five, hour, _ = LEVELS
    if window <= RAW_UP_TO:
        return raw
    return five if window <= FIVE_MINUTES_UP_TO else hour


def can_stitch(level: Level, feature: Feature) -> bool:
    """Return whether whole hours give the same result as their five-minute buckets: not for a share or a change."""
    return level is LEVELS[1] and feature.part in ("min", "max", "avg")


@lru_cache(64)
def metric_statement(
    level: Level,
    features: tuple[Feature, ...],
    instants: Instants,
    clocks: Clocks = "all",
) -> Statement:
    """Return the statement for all terms on these features, which are read from one level.

    Rows: rule_id, leaf (the number of the term), device_id, at, value, threshold, breached, begun, holding (each null
    if unknown), note. A row exists if something has begun or the rule is open on the device; with `everything`, also
    if a result is unknown or holds.
    """
    pairs = materialised(candidate_pairs().cte("pairs"))
    read = materialised(read_devices(pairs, clocks).cte("read"))
    sought = materialised(sought_times(features, read).cte("sought"))
    aggregate = aggregate_at_once if instants == "many" else aggregate_each
    readings = materialised(aggregate(level, features, read, sought, instants, clocks).cte("readings"))
    return compile_query(compare_terms(pairs, readings))


def candidate_pairs() -> Select[Any]:
    """Select the terms and devices that must be evaluated.

    A term on all samples or on the last one cannot have begun if the newest value, which is in the device's row, is
    within its threshold. That excludes most devices most of the time.
    """
    columns: list[ColumnElement[Any]] = [column(name, kind) for name, kind in PAIR.items()]
    pair = func.alert_pairs(TERMS, TENANT, AMONG).table_valued(*columns).alias("pair")
    now_beyond = func.alert_beyond(
        pair.c.now_value, pair.c.is_up, pair.c.is_strict, pair.c.last_threshold, type_=Boolean
    )
    return select(pair).where(or_(EVERYTHING, now_beyond.is_not(False), is_open(pair.c)))


def read_devices(pairs: Any, clocks: Clocks) -> Select[Any]:
    """Select the devices of the pairs, each with the offset of its clock and the time since when its owner has it."""
    shift: ColumnElement[Any] = devices.c.clock_shift
    fits = [devices.c.id == pairs.c.device_id]
    if clocks != "all":
        fits.append(shift == NONE if clocks == "right" else shift != NONE)
    owned = func.coalesce(devices.c.owned_since, LONG_AGO, type_=TIME).label("owned")
    columns = pairs.c.device_id, pairs.c.every, (NONE if clocks == "all" else shift).label("shift"), owned
    return select(*columns).select_from(pairs.join(devices, and_(*fits))).distinct()


def sought_times(features: Sequence[Feature], read: FromClause) -> Select[Any]:
    """Select each device at each instant, with the start of each window, computed here and not for each sample.

    `local` is the instant by the device's own clock. What was measured under a former owner is not read.
    """
    at = select(func.unnest(INSTANTS, type_=TIME).label("at")).subquery("instants").c.at
    local = at + read.c.shift
    shortest = MIN_WINDOW_INTERVALS * read.c.every
    since = [
        (local - func.greatest(bindparam(f"window_{number}", window, type_=Interval), shortest)).label(
            f"since_{number}"
        )
        for number, window in enumerate(windows_of(features))
    ]
    fresh = local - FRESH * read.c.every - literal_column("interval '1 minute'", Interval)
    return select(
        read.c.device_id, read.c.every, read.c.shift, at, local.label("local"),
        func.greatest(local - LOOKBACK, read.c.owned + read.c.shift, type_=TIME).label("lookback"),
        fresh.label("fresh"), *since,
    )  # fmt: skip


def aggregate_at_once(
    level: Level, features: Sequence[Feature], read: FromClause, sought: Any, _: Instants, clocks: Clocks
) -> Select[Any]:
    """Aggregate for many instants: the partials of a device are read once, and joined with each instant.

    Time is divided into cells as long as the lookback, so that a lookback lies in two cells: an instant is joined with
    the partials of two cells, not with all of the device.
    """
    each = partials_of(level, features, read, are_shifted=clocks == "wrong")
    columns = read.c.device_id, each, cell_of(each.c.time).label("cell")
    part: Any = select(*columns).select_from(read, each).cte("partials")
    back = select(func.unnest(array([NONE, LOOKBACK]), type_=Interval).label("back")).subquery("cells").c.back
    is_near = part.c.device_id == sought.c.device_id, part.c.cell == cell_of(sought.c.local) - back
    joined = sought.join(back.table, true()).outerjoin(part, and_(*is_near, *lies_before(part, sought)))
    place = sought.c.device_id, sought.c.at
    return select(*place, *arrays_of(features, sought, part)).select_from(joined).group_by(*place)


def aggregate_each(
    level: Level, features: Sequence[Feature], _: FromClause, sought: Any, instants: Instants, clocks: Clocks
) -> Select[Any]:
    """Aggregate for one instant, device by device, so that rows of samples are not passed on, sorted or hashed."""
    is_stitched, are_shifted = instants == "one, stitched", clocks == "wrong"
    part: Any = (
        stitched_partials(features, sought)
        if is_stitched
        else partials_of(level, features, sought, are_shifted=are_shifted)
    )
    arrays = select(*arrays_of(features, sought, part)).select_from(part).where(*lies_before(part, sought))
    aggregates = arrays.correlate(sought).lateral("own")
    return select(sought.c.device_id, sought.c.at, *aggregates.c).select_from(sought.join(aggregates, true()))


def cell_of(time: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the beginning of the cell that contains a time."""
    return func.time_bucket(LOOKBACK, time, type_=TIME)


def lies_before(part: Any, sought: Any) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions for a part to be in the lookback of an instant and to be closed by then."""
    return part.c.readable_from <= sought.c.local, part.c.time > sought.c.lookback
