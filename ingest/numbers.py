"""Reads one number of a sample: null outside the range of its metric; a rounding error is cut to the nearer end."""

import math
import sys
from typing import Any, Protocol

from core.metrics import Metric
from ingest.faults import FaultError, Notes, short_form

BELOW = 0.01  # differences of measured values may be slightly negative: -7e-10
# A percentage up to this is stored as 100: Windows' "processor utility" counts turbo cycles.
PERCENT_BEYOND = {"cpu_percent": 100.0, "cpu.core_percent": 100.0}
ROUNDED_PERCENT_BEYOND = 1.0
UPTIME_BELOW = 2.0  # seconds: the difference of two clocks shortly after a start


class Bounded(Protocol):
    """A metric of the columns or of the series: its name, unit and bounds."""

    @property
    def name(self) -> str: ...
    @property
    def unit(self) -> str: ...
    @property
    def minimum(self) -> float: ...
    @property
    def maximum(self) -> float: ...


def read_number(metric: Metric, value: Any, notes: Notes) -> float | None:
    """Return a value in 0..maximum of the metric, None for null; raises FaultError for any other value."""
    if value is None:
        return None
    check_number(metric.name, value)
    if 0 <= value <= metric.maximum:
        return value  # type: ignore[no-any-return]
    end = nearest_end(metric, value)
    if end is None:
        rule = f"it must be in 0..{metric.maximum:g}; stored as null"
        raise FaultError("out_of_range", f"{metric.name} is {short_form(value)}, {rule}")
    notes.add(metric.name, FaultError("clamped", f"{metric.name} is {short_form(value)}, stored as {end:g}"))
    return end


def check_number(name: str, value: Any) -> None:
    """Raise FaultError unless `value` is a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaultError("wrong_type", f"{name} must be a number or null, not {short_form(value)}; stored as null")
    if isinstance(value, float) and not math.isfinite(value):
        raise FaultError("not_finite", f"{name} is {value}: send null for a value that was not measured")
    if abs(value) > sys.float_info.max:
        raise FaultError("out_of_range", f"{name} is too large for a floating-point number; stored as null")


def nearest_end(metric: Bounded, value: float) -> float | None:
    """Return the end of the range that replaces a value just outside it; None if the value is too far away."""
    if metric.minimum < 0:  # a temperature, or a customer's own metric: no rounding leads out of its range
        return None
    below = UPTIME_BELOW if metric.unit == "seconds" else BELOW
    if -below <= value < 0:
        return 0.0
    beyond = PERCENT_BEYOND.get(metric.name, ROUNDED_PERCENT_BEYOND) if metric.unit == "percent" else 0.0
    return metric.maximum if metric.maximum < value <= metric.maximum + beyond else None
