"""Finds the devices on which a term may hold, before any rule is compared with a device.

    scopes x devices in their reach (alert_pairs) ⋈ bounds of each device ──▶ scope and device that may be beyond

One statement screens for all statements of a pass on metrics and on silence. A device is compared with the loosest
thresholds of its scopes (`scopes.py`): by the columns of its row, and by bounds of its windows (`bounds.py`). Only the
remaining devices are evaluated exactly, so screening never changes a result.

Not screened by bounds: devices whose interval makes their windows longer, devices with wrong clocks, and small groups
of devices, for which an index is faster than a scan. These always remain, as does a device on which a rule is open.
"""

from collections.abc import Sequence
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
    Numeric,
    Select,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, UUID

from alerts.query.bounds import ROUNDING, Numbered, bounds_of
from alerts.query.scopes import SILENCE, Side
from alerts.query.sources import HIGHEST, NONE
from alerts.rules.terms import Feature
from db.compiled import compile_query, materialised
from db.hypertables.policies import Level
from db.sql import Statement
from rollups.partials import TIME

INTERVALS = 1.25  # a window has at least so many
MIN_WINDOW_INTERVALS = literal_column(f"{INTERVALS}::double precision", DOUBLE_PRECISION)
INDEX_RATIO = literal_column("5", BigInteger)  # for less than one in so many devices the index is faster than a scan
BOUND_ALL_RATIO = literal_column("2", BigInteger)  # of more than half of the devices all are bounded: lookups cost more
# Numbers beyond it are read as unknown by alert_number, and those nearer to zero than its inverse as zero.
HUGE = literal_column("1e300::numeric", Numeric)
TINY = literal_column("1e-300::double precision", DOUBLE_PRECISION)
SECOND = literal_column("interval '1 second'", Interval)
SCOPES, TENANT = bindparam("scopes", type_=JSONB), bindparam("tenant", type_=UUID)
AMONG = bindparam("among", type_=ARRAY(UUID))

Reading = tuple[Level | None, bool]  # the level of a statement on metrics, and whether it is stitched with hours

all_devices = table(
    "agent_devices", column("id", UUID), column("clock_shift", Interval), column("current_metrics", JSONB),
    column("last_metrics_received", TIME), column("last_heartbeat", TIME),
)  # fmt: skip


@lru_cache(64)
def screening_statement(readings: tuple[Reading, ...], sides: tuple[tuple[int, Side], ...]) -> Statement:
    """Return the statement that finds scopes and devices on which a term may hold at HIGHEST, the instant of the pass.

    `readings`: of the statements that it screens for, in their places. `sides`: those of the scopes with the place of
    their statement, in the order of their numbers. Rows: scope, device_id, and `found_P` for the statement in place P.
    """
    scope = materialised(scope_limits(readings, sides).cte("scope"))
    reach = materialised(reach_of(readings, sides, scope).cte("reach"))
    fleet = materialised(select(func.count().label("devices")).select_from(all_devices).cte("fleet"))
    source: FromClause = reach
    found = []
    for place, (level, stitched) in enumerate(readings):
        conditions: list[ColumnElement[bool]] = [reach.c[f"found_{place}"]]
        windows = windows_in(place, sides)
        if level and windows:
            asked = asked_devices(reach, place, windows).cte(f"asked_{place}")
            bounds = bounds_where_many(bounds_of(place, level, windows, stitched=stitched), materialised(asked), fleet)
            bounded = materialised(bounds.cte(f"bounds_{place}"))
            source = source.outerjoin(bounded, bounded.c.device_id == reach.c.device_id)
            conditions += [window_may_reach(reach, bounded, number, up=up) for number, _, up in windows]
        found.append(or_(*conditions))
    flags = [condition.label(f"found_{place}") for place, condition in enumerate(found)]
    return compile_query(select(reach.c.scope, reach.c.device_id, *flags).select_from(source).where(or_(*found)))


def windows_in(place: int, sides: Sequence[tuple[int, Side]]) -> Numbered:
    """Return the sides of a statement that are features."""
    return [
        (number, side, up)
        for number, (owner, (side, up)) in enumerate(sides)
        if owner == place and isinstance(side, Feature)
    ]


def scope_limits(readings: Sequence[Reading], sides: Sequence[tuple[int, Side]]) -> Select[Any]:
    """Select the scopes with their limits in the form in which these are compared, computed once for each scope."""
    always = [column(f"always_{place}", Boolean) for place, _ in enumerate(readings)]
    limits = [column(f"limit_{number}", DOUBLE_PRECISION) for number, _ in enumerate(sides)]
    scope = (
        func.jsonb_to_recordset(SCOPES)
        .table_valued(column("leaf", Integer), *always, *limits)
        .render_derived(name="given", with_types=True)
    )
    compared = [limit_as(side, scope.c[limit.name]) for limit, (_, side) in zip(limits, sides, strict=True)]
    named = [value.label(limit.name) for limit, value in zip(limits, compared, strict=True)]
    return select(scope.c.leaf, *(scope.c[each.name] for each in always), *named)


def limit_as(side: Side, limit: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return a limit on silence as a time, and one on a newest value as numeric, looser by the rounding."""
    value, up = side
    if isinstance(value, Feature):
        return limit
    if side in SILENCE:
        return HIGHEST - limit.op("*", return_type=Interval())(SECOND)
    slack = ROUNDING * func.abs(limit) + TINY
    return cast(limit - slack if up else limit + slack, Numeric)


def reach_of(readings: Sequence[Reading], sides: Sequence[tuple[int, Side]], scope: CTE) -> Select[Any]:
    """Select each scope with each of its devices: where a term may hold whatever the windows, and limits of windows."""
    pair = func.alert_pairs(SCOPES, TENANT, AMONG).table_valued(
        column("leaf", Integer), column("device_id", UUID), column("every", Interval)
    ).alias("pair")  # fmt: skip
    joined = pair.join(scope, scope.c.leaf == pair.c.leaf).join(all_devices, all_devices.c.id == pair.c.device_id)
    found = []
    for place, (level, _) in enumerate(readings):
        still_open = bindparam(f"open_{place}", type_=ARRAY(UUID))
        conditions = [scope.c[f"always_{place}"], pair.c.device_id == any_(still_open)]
        conditions += [all_devices.c.clock_shift != NONE] if level else []
        conditions += [
            may_reach(side, scope.c[f"limit_{number}"], pair.c.every)
            for number, (owner, side) in enumerate(sides)
            if owner == place
        ]
        found.append(or_(*conditions).label(f"found_{place}"))
    limits = [scope.c[f"limit_{number}"] for number, (_, (side, _)) in enumerate(sides) if isinstance(side, Feature)]
    return select(pair.c.leaf.label("scope"), pair.c.device_id, *found, *limits).select_from(joined)


def may_reach(side: Side, limit: ColumnElement[Any], every: ColumnElement[Any]) -> ColumnElement[bool]:
    """Return whether a device may be beyond a limit by its row alone; of a window, if its interval makes it longer."""
    value, up = side
    if isinstance(value, Feature):
        return and_(limit.is_not(None), every > literal(value.window / INTERVALS, Interval))
    if side in SILENCE:
        sample, sign = all_devices.c.last_metrics_received, all_devices.c.last_heartbeat
        return (sample if value == "no_data" else func.greatest(sign, sample)) < limit
    return and_(limit.is_not(None), is_well(all_devices.c.current_metrics, value, limit, up=up).is_not(True))


def is_well(metrics: ColumnElement[Any], name: str, limit: ColumnElement[Any], *, up: bool) -> ColumnElement[Any]:
    """Return whether the newest value of a metric is before its limit; null if it is unknown.

    It is compared as numeric: the conversion of a number in jsonb to double precision takes twice as long.
    """
    newest = metrics.op("->")(literal(name, Text))
    number = cast(newest, Numeric)
    before = and_(number < limit, number > -HUGE) if up else and_(number > limit, number < HUGE)
    return case((func.jsonb_typeof(newest) == literal_column("'number'", Text), before))


def asked_devices(reach: CTE, place: int, windows: Numbered) -> Select[Any]:
    """Select the devices whose windows decide whether a term may hold."""
    limited = or_(*(reach.c[f"limit_{number}"].is_not(None) for number, _, _ in windows))
    return select(reach.c.device_id).where(reach.c[f"found_{place}"].is_not(True), limited).distinct()


def bounds_where_many(bounds: Select[Any], asked: CTE, fleet: CTE) -> Select[Any]:
    """Select the bounds of the devices that are asked for, or of all if most are; no row if they are few."""
    count = select(func.count()).select_from(asked).scalar_subquery()
    devices = select(fleet.c.devices).scalar_subquery()
    chosen = or_(count * BOUND_ALL_RATIO > devices, bounds.selected_columns.device_id.in_(select(asked.c.device_id)))
    return bounds.where(count * INDEX_RATIO > devices, chosen)


def window_may_reach(reach: CTE, bounds: CTE, number: int, *, up: bool) -> ColumnElement[bool]:
    """Return whether the bound of a side is at its limit or beyond it, or there is none for this device."""
    limit, bound = reach.c[f"limit_{number}"], bounds.c[f"bound_{number}"]
    return and_(limit.is_not(None), or_(bounds.c.device_id.is_(None), bound >= limit if up else bound <= limit))
