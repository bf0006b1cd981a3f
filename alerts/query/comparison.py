"""The last step of the statement: each term beside its feature of each device in its reach.

Results are three-valued: null is unknown. A missing row means that nothing has begun and nothing holds.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, UUID

from alerts.query.sources import ZERO_ROWS
from rollups.partials import ZERO

EVERYTHING = bindparam("everything", type_=Boolean)
ONE = literal_column("1", BigInteger)
NORMAL = literal_column("1.4826::double precision", DOUBLE_PRECISION)  # median distance → standard deviation
ENOUGH = literal_column("0.8::double precision", DOUBLE_PRECISION)  # of the samples that a window should have

states = table("agent_alert_states", column("agent_alert_id", UUID), column("agent_device_id", UUID))
baselines = table(
    "agent_baselines", column("agent_device_id", UUID), column("metric", Text), column("hour_of_week", Integer),
    column("median", DOUBLE_PRECISION), column("distance", DOUBLE_PRECISION), column("weeks", Integer),
    column("time_zone", Text),
)  # fmt: skip


def is_open(pair: Any) -> ColumnElement[bool]:
    """Tell whether the rule of a row stands anywhere but at inactive on its device."""
    found = states.c.agent_alert_id == pair.rule_id, states.c.agent_device_id == pair.device_id
    return select(ONE).where(*found).exists()


def compared(pairs: Any, known: Any) -> Select[Any]:
    """Compare each term with its feature of each device in its reach."""
    joined = with_thresholds(pairs, known).subquery("joined")
    of = joined.c

    def beyond(value: ColumnElement[Any], limit: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.alert_beyond(value, of.is_up, of.is_strict, limit, type_=Boolean)

    over = beyond(of.value, of.threshold)
    holding = case((of.by_value, over), else_=beyond(of.last, of.recovery))
    # What is shown: the newest sample of what is well again, else what was compared.
    shown = case((and_(of.by_value.is_(False), holding.is_(False)), func.coalesce(of.last, of.value)),
                 else_=func.coalesce(of.value, of.last))  # fmt: skip
    judged = select(
        of.rule_id, of.leaf, of.device_id, of.at, shown.label("value"), of.threshold,
        case((over.is_(False), false()), (of.count * of.every >= ENOUGH * of.span, over)).label("breached"),
        case((of.by_value, over), else_=beyond(of.last, of.last_threshold)).label("begun"),
        holding.label("holding"),
        literal_column("NULL::text", Text).label("note"),
    ).subquery("judged")  # fmt: skip
    # Most rows of a backtest say that nothing has begun and nothing holds.
    stirring = or_(judged.c.begun.is_distinct_from(false()), judged.c.holding.is_distinct_from(false()))
    reported = or_(and_(EVERYTHING, stirring), judged.c.breached, judged.c.begun, is_open(judged.c))
    return select(*judged.c).where(reported).order_by(judged.c.at)


def with_thresholds(pairs: Any, known: Any) -> Select[Any]:
    """Join terms and the results of their devices, by hashing; each takes its feature from the arrays.

    A baseline's threshold is what is usual for that device at that hour. With an OFFSET: each is worked out once and
    not at every comparison.
    """
    usual = func.greatest(
        baselines.c.median + pairs.c.deviations * NORMAL * baselines.c.distance, baselines.c.median + pairs.c.floor
    )
    by_usual = pairs.c.deviations > ZERO
    place = pairs.c.feature + ONE
    # By the hour of UTC that an instant is in, as the hourly means are: in some zones hours begin at its half.
    hour = func.date_trunc("hour", known.c.at)
    any_hour = baselines.alias("any_hour")
    zone = (
        select(any_hour.c.time_zone)
        .where(any_hour.c.agent_device_id == pairs.c.device_id, any_hour.c.metric == pairs.c.name)
        .limit(ONE)
        .scalar_subquery()
    )
    # Only for terms with a baseline: the hash join would call the function for every pair of rule and device.
    hour_of_week = case((by_usual, cast(func.alert_local_hour_of_week(hour, zone), Integer)))
    same_hour = and_(
        by_usual, baselines.c.agent_device_id == pairs.c.device_id, baselines.c.metric == pairs.c.name,
        baselines.c.hour_of_week == hour_of_week,
    )  # fmt: skip
    beside = pairs.join(known, known.c.device_id == pairs.c.device_id).outerjoin(baselines, same_hour)
    return select(
        pairs.c.rule_id, pairs.c.leaf, pairs.c.device_id, known.c.at,
        known.c["values"][place].label("value"), known.c.counts[place].label("count"),
        known.c.lasts[place].label("last"),
        pairs.c.every, pairs.c.span, pairs.c.is_up, pairs.c.is_strict, pairs.c.by_value,
        case((by_usual, usual), else_=pairs.c.value_threshold).label("threshold"),
        case((by_usual, usual), else_=pairs.c.last_threshold).label("last_threshold"),
        case((by_usual, usual), else_=pairs.c.recovery).label("recovery"),
    ).select_from(beside).offset(ZERO_ROWS)  # fmt: skip
