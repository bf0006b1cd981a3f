"""The series of a rule test as JSON for the statements that store them.

A series is named by a column (`cpu_percent`), or by a metric with instances and an instance behind a space
(`disk.percent D:`; `swap.percent` alone is the device's own).
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, get_args

import msgspec

from alerts.rules.conditions import MetricName
from alerts.rules.series_conditions import known_metric
from core.series import MAX_INSTANCE, SERIES_BY_NAME

COLUMNS: frozenset[str] = frozenset(get_args(MetricName))
Series = Mapping[str, Sequence[float | None]]  # None: a missing sample


def known_name(name: str) -> str:
    """Return the name of a series; raises ValueError if no rule can use it."""
    metric, separator, instance = name.partition(" ")
    if metric in COLUMNS and not separator:
        return name
    try:
        known_metric(metric)
    except ValueError:
        columns = ", ".join(sorted(COLUMNS))
        raise ValueError(f"{metric!r} is neither a metric with instances nor one of {columns}") from None
    if len(instance) > MAX_INSTANCE:
        raise ValueError(f"an instance has at most {MAX_INSTANCE} characters")
    return name


def samples_of(series: Series, every: timedelta, begin: datetime) -> str:
    """Return the samples that have columns, each with its time."""
    samples: dict[int, dict[str, Any]] = {}
    for metric, values in series.items():
        for number, value in enumerate(values if metric in COLUMNS else ()):
            if value is not None:
                samples.setdefault(number, {"at": begin + number * every})[metric] = value
    return msgspec.json.encode(list(samples.values())).decode()


def values_of(series: Series, every: timedelta, begin: datetime, counters: Collection[str] = ()) -> str:
    """Return the values of instances, each with its metric, instance, unit, kind and time.

    A metric of the customer is a gauge, unless it is one of `counters`.
    """
    readings = []
    for name, values in series.items():
        metric, _, instance = name.partition(" ")
        definition = SERIES_BY_NAME.get(metric)
        is_counter = definition.is_counter if definition else metric in counters
        unit = definition.unit if definition else ""
        of_series = {"metric": metric, "instance": instance, "unit": unit, "is_counter": is_counter}
        for number, value in enumerate(values if metric not in COLUMNS else ()):
            if value is not None:
                readings.append(of_series | {"at": begin + number * every, "value": value})
    return msgspec.json.encode(readings).decode()
