"""The catalogue of series metrics: the metrics of each disk, interface, sensor and so on.

A metric here has instances (`C:`, `eth0`); the eleven columns of `core.metrics` have none. Customers' own metrics are
named `custom.*`; their unit and kind are defined by the first value that a business sends.
"""

from dataclasses import dataclass

from core.metrics import EXACT, Kind
from core.text import clean_name

CUSTOM = "custom."
MAX_METRIC, MAX_INSTANCE, MAX_UNIT = 100, 255, 30
METRIC_NAME = r"^[a-z][a-z0-9_]*(\.[a-z0-9_]+)+$"
CUSTOM_LIMIT = 1e15  # of a custom gauge, positive and negative: sums in rollups cannot overflow


@dataclass(frozen=True, slots=True)
class SeriesMetric:
    """One metric with instances; values lie in `minimum`..`maximum`."""

    name: str
    unit: str
    kind: Kind
    minimum: float
    maximum: float
    description: str

    @property
    def is_counter(self) -> bool:
        """Whether it only grows until a reset."""
        return self.kind is Kind.COUNTER

    @property
    def shown_unit(self) -> str:
        """The unit in a chart: a counter is shown as its rate per second."""
        return f"{self.unit}/s" if self.is_counter else self.unit


def gauge(name: str, unit: str, maximum: float, description: str, minimum: float = 0.0) -> SeriesMetric:
    """Return a metric that goes up and down."""
    return SeriesMetric(name, unit, Kind.GAUGE, minimum, maximum, description)


def counter(name: str, unit: str, description: str) -> SeriesMetric:
    """Return a metric that only grows until a reset."""
    return SeriesMetric(name, unit, Kind.COUNTER, 0.0, EXACT, description)


SERIES_METRICS = (
    gauge("disk.used_bytes", "bytes", EXACT, "used space of a file system"),
    gauge("disk.size_bytes", "bytes", EXACT, "size of a file system"),
    gauge("disk.percent", "percent", 100, "used share of a file system"),
    gauge("disk.inodes_percent", "percent", 100, "used share of a file system's inodes"),
    counter("disk.read_bytes", "bytes", "bytes read from a disk"),
    counter("disk.write_bytes", "bytes", "bytes written to a disk"),
    counter("disk.read_ms", "milliseconds", "time that reads took"),
    counter("disk.write_ms", "milliseconds", "time that writes took"),
    counter("network.rx_bytes", "bytes", "bytes received by an interface"),
    counter("network.tx_bytes", "bytes", "bytes sent by an interface"),
    counter("network.rx_errors", "packets", "faulty packets received by an interface"),
    counter("network.tx_errors", "packets", "packets that an interface failed to send"),
    counter("network.rx_drops", "packets", "received packets that were dropped"),
    counter("network.tx_drops", "packets", "packets dropped before they were sent"),
    gauge("cpu.core_percent", "percent", 100, "load of one core; instance: the core"),
    gauge("cpu.state_percent", "percent", 100, "share of time in a state; instance: user, system, iowait …"),
    gauge("swap.percent", "percent", 100, "used share of swap space"),
    gauge("swap.used_bytes", "bytes", EXACT, "used swap space"),
    counter("swap.in_bytes", "bytes", "bytes read back from swap"),
    counter("swap.out_bytes", "bytes", "bytes written to swap"),
    gauge("temperature.celsius", "celsius", 1000, "a temperature sensor", minimum=-273.15),
    gauge("fan.rpm", "rpm", 1e6, "speed of a fan"),
    gauge("battery.percent", "percent", 100, "charge of a battery"),
    gauge("battery.seconds_left", "seconds", 1e9, "how long a battery lasts"),
    gauge("gpu.percent", "percent", 100, "load of a graphics processor"),
    gauge("gpu.memory_percent", "percent", 100, "used share of its memory"),
    gauge("gpu.celsius", "celsius", 1000, "its temperature", minimum=-273.15),
    gauge("process.count", "processes", 1e9, "running processes; instance: a program, or empty for all"),
    gauge("process.cpu_percent", "percent", 100_000, "CPU of a program; 100 is one core"),
    gauge("process.memory_bytes", "bytes", EXACT, "memory of a program"),
    gauge("smart.reallocated_sectors", "sectors", EXACT, "sectors that a disk has replaced"),
    gauge("smart.wear_percent", "percent", 1000, "used share of a drive's endurance"),
    gauge("smart.celsius", "celsius", 1000, "temperature of a drive", minimum=-273.15),
    gauge("ups.charge_percent", "percent", 100, "charge of a UPS"),
    gauge("ups.load_percent", "percent", 1000, "load of a UPS"),
    gauge("ups.runtime_seconds", "seconds", 1e9, "how long a UPS lasts"),
    gauge("ping.milliseconds", "milliseconds", 1e9, "round trip to a target"),
    gauge("ping.loss_percent", "percent", 100, "lost packets to a target"),
)
SERIES_BY_NAME = {metric.name: metric for metric in SERIES_METRICS}


def instance_name(text: str) -> str:
    """Return the name of an instance as it is stored: clean, the letter of a Windows drive in upper case. May be ""."""
    name = clean_name(text)
    return name[0].upper() + name[1:] if name[1:2] == ":" and name[0].isascii() else name


def custom_metric(name: str, unit: str, kind: Kind) -> SeriesMetric:
    low, high = (0.0, EXACT) if kind is Kind.COUNTER else (-CUSTOM_LIMIT, CUSTOM_LIMIT)
    return SeriesMetric(name, unit, kind, low, high, "a metric of the customer")
