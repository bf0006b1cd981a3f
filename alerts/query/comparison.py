"""The last step of the statement: compares each term with its feature on each device in its scope.

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
TO_DEVIATION = literal_column("1.4826::double precision", DOUBLE_PRECISION)  # from the median distance
MIN_COVERAGE = literal_column("0.8::double precision", DOUBLE_PRECISION)  # of the samples that a window should have

states = table("agent_alert_states", column("agent_alert_id", UUID), column("agent_device_id", UUID))
baselines = table(
    "agent_baselines", column("agent_device_id", UUID), column("metric", Text), column("hour_of_week", Integer),
    column("median", DOUBLE_PRECISION), column("distance", DOUBLE_PRECISION), column("weeks", Integer),
    column("time_zone", Text),
)  # fmt: skip


def is_open(pair: Any) -> ColumnElement[bool]:
    """Return whether the rule of a row has a state other than inactive on its device."""
    matches = states.c.agent_alert_id == pair.rule_id, states.c.agent_device_id == pair.device_id
    return select(ONE).where(*matches).exists()


def compare_terms(pairs: Any, readings: Any) -> Select[Any]:
    """Compare each term with its feature on each device in its scope."""
    joined = with_thresholds(pairs, readings).subquery("joined")
    pair = joined.c

    def beyond(value: ColumnElement[Any], limit: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.alert_beyond(value, pair.is_up, pair.is_strict, limit, type_=Boolean)

    over = beyond(pair.value, pair.threshold)
    holding = case((pair.by_value, over), else_=beyond(pair.last, pair.recovery))
    # The value shown: the newest sample if the term has recovered, else the value that was compared.
    shown = case((and_(pair.by_value.is_(False), holding.is_(False)), func.coalesce(pair.last, pair.value)),
                 else_=func.coalesce(pair.value, pair.last))  # fmt: skip
    judged = select(
        pair.rule_id, pair.leaf, pair.device_id, pair.at, shown.label("value"), pair.threshold,
        case((over.is_(False), false()), (pair.count * pair.every >= MIN_COVERAGE * pair.span, over)).label("breached"),
        case((pair.by_value, over), else_=beyond(pair.last, pair.last_threshold)).label("begun"),
        holding.label("holding"),
        literal_column("NULL::text", Text).label("note"),
    ).subquery("judged")  # fmt: skip
    # In most rows of a backtest nothing has begun and nothing holds.
    stirring = or_(judged.c.begun.is_distinct_from(false()), judged.c.holding.is_distinct_from(false()))
    reported = or_(and_(EVERYTHING, stirring), judged.c.breached, judged.c.begun, is_open(judged.c))
    return select(*judged.c).where(reported).order_by(judged.c.at)


def with_thresholds(pairs: Any, readings: Any) -> Select[Any]:
    """Join terms with the arrays of their devices by hashing, and take each term's feature from the array.

    A baseline's threshold is the usual value of that device at that hour. OFFSET 0 makes the planner compute each once
    instead of at every comparison.
    """
    usual = func.greatest(
        baselines.c.median + pairs.c.deviations * TO_DEVIATION * baselines.c.distance,
        baselines.c.median + pairs.c.floor,
    )
    by_usual = pairs.c.deviations > ZERO
    place = pairs.c.feature + ONE
    # By the UTC hour of an instant, as the hourly means: in some zones hours begin at its half.
    hour = func.date_trunc("hour", readings.c.at)
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
    beside = pairs.join(readings, readings.c.device_id == pairs.c.device_id).outerjoin(baselines, same_hour)
    return select(
        pairs.c.rule_id, pairs.c.leaf, pairs.c.device_id, readings.c.at,
        readings.c["values"][place].label("value"), readings.c.counts[place].label("count"),
        readings.c.lasts[place].label("last"),
        pairs.c.every, pairs.c.span, pairs.c.is_up, pairs.c.is_strict, pairs.c.by_value,
        case((by_usual, usual), else_=pairs.c.value_threshold).label("threshold"),
        case((by_usual, usual), else_=pairs.c.last_threshold).label("last_threshold"),
        case((by_usual, usual), else_=pairs.c.recovery).label("recovery"),
    ).select_from(beside).offset(ZERO_ROWS)  # fmt: skip
