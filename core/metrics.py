"""The catalogue of metrics: name, unit, kind and limit of each numeric column of `agent_metrics`.

Validation, COPY, the rollups and the charts all read this one table. Every metric has a maximum, far
above any real device, so that no sum in a rollup can overflow and stop the refresh for everybody.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How a metric is rolled up."""

    GAUGE = "gauge"  # a level: rolled up as sum, count, min, max
    COUNTER = "counter"  # only grows until a reset: rolled up as first, last, increase; shown as a rate


@dataclass(frozen=True, slots=True, eq=False)  # one object for each: compared and hashed as quickly as can be
class Metric:
    """One numeric column of `agent_metrics`; values lie in 0..`maximum`, null means not measured."""

    name: str
    unit: str
    kind: Kind
    maximum: float
    whole: bool = False  # stored as bigint

    @property
    def minimum(self) -> float:
        """The lowest value."""
        return 0.0

    @property
    def shown_unit(self) -> str:
        """The unit in a chart: a counter is shown as its rate per second."""
        return f"{self.unit}/s" if self.kind is Kind.COUNTER else self.unit


# 2**53 is the largest integer that JSON numbers carry exactly (RFC 8259, section 6): 9 petabytes.
EXACT = 2.0**53

METRICS = (
    Metric("cpu_percent", "percent", Kind.GAUGE, 100),
    Metric("memory_used_gb", "gigabytes", Kind.GAUGE, 1e6),
    Metric("memory_percent", "percent", Kind.GAUGE, 100),
    Metric("disk_used_gb", "gigabytes", Kind.GAUGE, 1e9),
    Metric("disk_percent", "percent", Kind.GAUGE, 100),
    Metric("load_average_1m", "processes", Kind.GAUGE, 1e6),
    Metric("load_average_5m", "processes", Kind.GAUGE, 1e6),
    Metric("load_average_15m", "processes", Kind.GAUGE, 1e6),
    Metric("uptime_seconds", "seconds", Kind.GAUGE, 1e10, whole=True),
    Metric("network_rx_bytes", "bytes", Kind.COUNTER, EXACT, whole=True),
    Metric("network_tx_bytes", "bytes", Kind.COUNTER, EXACT, whole=True),
)
BY_NAME = {metric.name: metric for metric in METRICS}
GAUGES = tuple(metric for metric in METRICS if metric.kind is Kind.GAUGE)
LOADS = tuple(metric for metric in METRICS if metric.name.startswith("load_average"))  # one field of a sample
COUNTERS = tuple(metric for metric in METRICS if metric.kind is Kind.COUNTER)
