"""The aggregates of a device before an instant: each feature's value, its number of samples, the newest sample.

A part is a partial aggregate of samples or buckets (`sources.py`); it has the column `front` if windows are stitched.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Integer, and_, bindparam, false, func, literal_column, or_, true
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, array

from alerts.query.sources import count_or_null, windows_of
from alerts.rules.terms import Feature
from core.metrics import Metric
from rollups.partials import ZERO, mean

HUNDRED = literal_column("100::double precision", DOUBLE_PRECISION)


def arrays_of(features: Sequence[Feature], sought: Any, part: Any) -> list[ColumnElement[Any]]:
    """Return the aggregates of a device before an instant: each feature's value, number of samples and newest sample.

    They are null, which means unknown, if a device has no samples.
    """
    within = {}
    for number, window in enumerate(windows_of(features)):
        since = part.c.time > sought.c[f"since_{number}"]
        within[window] = and_(since, counts_for(part, number + 1)) if "front" in part.c else since
    aggregates = [feature_of(number, feature, part, within[feature.window]) for number, feature in enumerate(features)]
    columns: dict[str, Sequence[ColumnElement[Any]]] = {
        "values": [value for value, _ in aggregates],
        "counts": [count for _, count in aggregates],
        "lasts": [newest_of(feature.metric, part, sought) for feature in features],
    }
    return [array(parts, type_=DOUBLE_PRECISION).label(name) for name, parts in columns.items()]


def newest_of(metric: Metric, part: Any, sought: Any) -> ColumnElement[Any]:
    """Return the newest value of a metric; null if it is older than FRESH intervals."""
    has_value = part.c[f"{metric.name}_count"] > ZERO
    return func.last(part.c[f"{metric.name}_last"], part.c.time).filter(has_value, part.c.seen > sought.c.fresh)


def counts_for(part: Any, front: int) -> ColumnElement[bool]:
    """Return whether a part belongs to a window; the parts at the front of other windows do not."""
    return or_(*(part.c.front == literal_column(str(number), Integer) for number in (0, front)))


def feature_of(
    number: int, feature: Feature, part: Any, within: ColumnElement[bool]
) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """Return the aggregates of one feature: its value and its number of samples."""
    name = feature.metric.name
    low, high, total, count, first, last = (
        part.c[f"{name}_{kind}"] for kind in ("min", "max", "sum", "count", "first", "last")
    )
    inside = and_(count > ZERO, within)
    counted = func.sum(count).filter(inside)
    value: ColumnElement[Any]
    match feature.part:
        case "min":
            value = func.min(low).filter(inside)
        case "max":
            value = func.max(high).filter(inside)
        case "avg":
            value = func.sum(total).filter(inside) / counted
        case "change":
            value = func.last(last, part.c.time).filter(inside) - func.first(first, part.c.time).filter(inside)
        case "last":
            value = func.last(last, part.c.time).filter(inside)
        case "share":
            value = share(number, feature, mean(total, count), inside)
    return value, counted


def share(number: int, feature: Feature, mean: ColumnElement[Any], inside: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the percentage of samples (of rollups: of buckets by their mean) that are beyond the threshold."""
    assert feature.beyond
    up, strict, threshold = feature.beyond
    bound = bindparam(f"share_{number}", threshold, type_=DOUBLE_PRECISION)
    beyond = func.alert_beyond(mean, true() if up else false(), true() if strict else false(), bound)
    return HUNDRED * func.count().filter(and_(inside, beyond)) / count_or_null(func.count().filter(inside))
