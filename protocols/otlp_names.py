"""Metrics of OpenTelemetry's `system.*` conventions → values. Points are of gauges and cumulative sums."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from protocols.disks import is_disk
from protocols.readings import MetricReading, Quantity

Attributes = Mapping[str, str]
SECOND = 1_000_000
# States of a processor that no other state holds: `guest` time is in `user` already.
SKIPPED_STATES = frozenset({"guest", "guest_nice"})
# Memory that other states hold already: the Collector's `cached` has `slab_reclaimable`, its `used` has
# `slab_unreclaimable`, and shared memory is cached.
SKIPPED_MEMORY = frozenset({"slab_reclaimable", "slab_unreclaimable", "shared"})
USABLE = {"used": Quantity.DISK_USED, "free": Quantity.DISK_AVAILABLE}


@dataclass(frozen=True, slots=True)
class OtlpPoint:
    """One data point: `cell` is in microseconds since 1970, UTC."""

    name: str
    attributes: Attributes
    cell: int
    value: float


def add_point(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the values of a point about the device; known names without a column are left out."""
    add = NAMES.get(point.name)
    if add:
        add(reading, point)
    reading.add_mapped("otlp", point.name, point.attributes, point.cell, point.value)


def cpu_time(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the seconds of one core, or of all, in one state."""
    state = attribute(point, "state", "cpu.mode", "system.cpu.state")
    if state and state not in SKIPPED_STATES:
        core = attribute(point, "cpu", "cpu.logical_number", "system.cpu.logical_number")
        reading.add(point.cell, Quantity.CPU_SECONDS, f"{core} {state}", point.value)


def cpu_share(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the share of one state; cores are summed, and the sum is divided by all states."""
    state = attribute(point, "state", "cpu.mode", "system.cpu.state")
    core = attribute(point, "cpu", "cpu.logical_number", "system.cpu.logical_number")
    if state and state not in SKIPPED_STATES:
        reading.add(point.cell, Quantity.CPU_SHARE, f"{core} {state}", point.value)


def memory(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the bytes of memory in one state; some Collectors send the size of the memory as the state `total`."""
    state = attribute(point, "state", "system.memory.state")
    if state == "total":
        reading.add(point.cell, Quantity.MEMORY_TOTAL, "", point.value)
    elif state and state not in SKIPPED_MEMORY:
        reading.add(point.cell, Quantity.MEMORY_STATE, state, point.value)


def memory_share(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the share of memory in use."""
    if attribute(point, "state", "system.memory.state") == "used":
        reading.add(point.cell, Quantity.MEMORY_PERCENT, "", point.value * 100)


def disk(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the bytes of a file system in one state; `free` excludes the blocks reserved for root."""
    mount = attribute(point, "mountpoint", "system.filesystem.mountpoint")
    quantity = USABLE.get(attribute(point, "state", "system.filesystem.state"))
    if mount and quantity and is_disk(attribute(point, "type", "system.filesystem.type") or None):
        reading.add(point.cell, quantity, mount, point.value)


def disk_share(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the share of a file system in use."""
    mount = attribute(point, "mountpoint", "system.filesystem.mountpoint")
    state = attribute(point, "state", "system.filesystem.state")
    if mount and state in ("", "used") and is_disk(attribute(point, "type", "system.filesystem.type") or None):
        reading.add(point.cell, Quantity.DISK_PERCENT, mount, point.value * 100)


def network(reading: MetricReading, point: OtlpPoint) -> None:
    """Add the bytes of one interface in one direction."""
    interface = attribute(point, "device", "network.interface.name", "system.device")
    direction = attribute(point, "direction", "network.io.direction")
    quantity = {"receive": Quantity.NETWORK_RX, "transmit": Quantity.NETWORK_TX}.get(direction)
    if interface and quantity:
        reading.add(point.cell, quantity, interface, point.value)


def single(quantity: Quantity, instance: str = "") -> Callable[[MetricReading, OtlpPoint], None]:
    """Return how to add a metric that has one series."""

    def add(reading: MetricReading, point: OtlpPoint) -> None:
        reading.add(point.cell, quantity, instance, point.value)

    return add


def attribute(point: OtlpPoint, *names: str) -> str:
    """Return the first of these attributes that is there, "" when none is: conventions renamed some."""
    return next((point.attributes[name] for name in names if name in point.attributes), "")


NAMES: dict[str, Callable[[MetricReading, OtlpPoint], None]] = {
    "system.cpu.time": cpu_time,
    "system.cpu.utilization": cpu_share,
    "system.memory.usage": memory,
    "system.memory.utilization": memory_share,
    "system.memory.limit": single(Quantity.MEMORY_TOTAL),
    "system.linux.memory.available": single(Quantity.MEMORY_AVAILABLE),
    "system.filesystem.usage": disk,
    "system.filesystem.utilization": disk_share,
    "system.cpu.load_average.1m": single(Quantity.LOAD, "1m"),
    "system.cpu.load_average.5m": single(Quantity.LOAD, "5m"),
    "system.cpu.load_average.15m": single(Quantity.LOAD, "15m"),
    "system.uptime": single(Quantity.UPTIME),
    "system.network.io": network,
}
