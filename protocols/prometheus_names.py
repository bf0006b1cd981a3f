"""Series of node_exporter and windows_exporter → values, by the name of the metric."""

import re
from collections.abc import Callable, Mapping

from protocols.disks import is_disk
from protocols.readings import MetricReading, Quantity

Labels = Mapping[str, str]
Add = Callable[[MetricReading, Labels, int, float], None]
HOST_LABELS = ("host", "instance")  # `host` is set by people, `instance` by Prometheus: address and port
PORT = re.compile(r"(.+):\d{1,5}")
# States whose time other states hold already: user and nice; on Windows `privileged`.
GUESTS = frozenset({"guest", "guest_nice"})
IN_PRIVILEGED = frozenset({"dpc", "interrupt"})


def series_host(labels: Labels) -> str:
    """Return the host of a series without the port of its exporter, "" when none is named."""
    name = next((labels[label] for label in HOST_LABELS if labels.get(label)), "")
    with_port = PORT.fullmatch(name)
    is_address = ":" in with_port[1] and not with_port[1].endswith("]") if with_port else False  # a bare IPv6 address
    return with_port[1] if with_port and not is_address else name


def plain(quantity: Quantity, label: str = "", instance: str = "") -> Add:
    """Return how to add a series as it is; its instance is the value of `label`, or fixed."""

    def add(reading: MetricReading, labels: Labels, cell: int, value: float) -> None:
        reading.add(cell, quantity, labels.get(label, "") if label else instance, value)

    return add


def disk(quantity: Quantity, label: str) -> Add:
    """Return how to add a series of a file system."""

    def add(reading: MetricReading, labels: Labels, cell: int, value: float) -> None:
        if is_disk(labels.get("fstype")) and labels.get(label):
            reading.add(cell, quantity, labels[label], value)

    return add


def cpu_seconds(label: str, skipped: frozenset[str]) -> Add:
    """Return how to add the seconds of one core in one mode, unless another mode holds them too."""

    def add(reading: MetricReading, labels: Labels, cell: int, value: float) -> None:
        mode = labels.get("mode", "")
        if mode not in skipped:
            reading.add(cell, Quantity.CPU_SECONDS, f"{labels.get(label, '')} {mode}", value)

    return add


def share(reading: MetricReading, labels: Labels, cell: int, value: float) -> None:
    """Add node-mixin's recording rule: a share of 1."""
    del labels
    reading.add(cell, Quantity.CPU_BUSY, "", value * 100)


def windows_drive(quantity: Quantity) -> Add:
    """Return how to add a series of a Windows volume: those with a letter."""

    def add(reading: MetricReading, labels: Labels, cell: int, value: float) -> None:
        if labels.get("volume", "").endswith(":"):
            reading.add(cell, quantity, labels["volume"], value)

    return add


NAMES: dict[str, Add] = {
    "node_cpu_seconds_total": cpu_seconds("cpu", GUESTS),
    "instance:node_cpu_utilisation:rate5m": share,
    "node_memory_MemTotal_bytes": plain(Quantity.MEMORY_TOTAL),
    "node_memory_MemAvailable_bytes": plain(Quantity.MEMORY_AVAILABLE),
    "node_filesystem_size_bytes": disk(Quantity.DISK_SIZE, "mountpoint"),
    "node_filesystem_free_bytes": disk(Quantity.DISK_FREE, "mountpoint"),
    "node_filesystem_avail_bytes": disk(Quantity.DISK_AVAILABLE, "mountpoint"),
    "node_load1": plain(Quantity.LOAD, instance="1m"),
    "node_load5": plain(Quantity.LOAD, instance="5m"),
    "node_load15": plain(Quantity.LOAD, instance="15m"),
    "node_boot_time_seconds": plain(Quantity.BOOT_TIME),
    "node_network_receive_bytes_total": plain(Quantity.NETWORK_RX, "device"),
    "node_network_transmit_bytes_total": plain(Quantity.NETWORK_TX, "device"),
    "windows_cpu_time_total": cpu_seconds("core", IN_PRIVILEGED),
    "windows_memory_available_bytes": plain(Quantity.MEMORY_AVAILABLE),
    "windows_memory_physical_total_bytes": plain(Quantity.MEMORY_TOTAL),
    "windows_cs_physical_memory_bytes": plain(Quantity.MEMORY_TOTAL),
    "windows_logical_disk_size_bytes": windows_drive(Quantity.DISK_SIZE),
    "windows_logical_disk_free_bytes": windows_drive(Quantity.DISK_AVAILABLE),
    "windows_net_bytes_received_total": plain(Quantity.NETWORK_RX, "nic"),
    "windows_net_bytes_sent_total": plain(Quantity.NETWORK_TX, "nic"),
    "windows_system_system_up_time": plain(Quantity.BOOT_TIME),
    "windows_system_boot_time_timestamp": plain(Quantity.BOOT_TIME),
    "windows_system_boot_time_timestamp_seconds": plain(Quantity.BOOT_TIME),
}
