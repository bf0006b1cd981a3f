"""The values of one cell → the disks and interfaces of a sample, each with its name."""

from collections.abc import Mapping

from ingest.series_types import Disk, Interface, SeriesValue
from protocols.columns import NONE, Quantities, Values, in_range, used_bytes, used_percent
from protocols.mapping import Mapped
from protocols.readings import Quantity

MAX_INSTANCES = 100  # of each kind: a device has 200 series at most
EXACT = 2.0**53


def collect_disks(measured: Quantities) -> list[Disk] | None:
    """Return every file system with its known values; None if there are none."""
    sizes = measured.get(Quantity.DISK_SIZE, NONE)
    mounts = sorted({mount for quantity in measured if quantity.startswith("disk_") for mount in measured[quantity]})
    disks = [
        Disk(mount, used_bytes=amount(used_bytes(measured, mount)), size_bytes=amount(sizes.get(mount)),
             percent=percent(used_percent(measured, mount)))
        for mount in mounts[:MAX_INSTANCES] if mount
    ]  # fmt: skip
    return disks or None


def collect_interfaces(measured: Quantities) -> list[Interface] | None:
    """Return every interface with its counters; None when there are none."""
    received: Values = measured.get(Quantity.NETWORK_RX, NONE)
    sent: Values = measured.get(Quantity.NETWORK_TX, NONE)
    names = sorted(received.keys() | sent.keys())[:MAX_INSTANCES]
    interfaces = [
        Interface(name, rx_bytes=amount(received.get(name)), tx_bytes=amount(sent.get(name))) for name in names if name
    ]
    return interfaces or None


def collect_mapped(cell: Mapping[Quantity | Mapped, Values]) -> list[SeriesValue] | None:
    """Return the values that the mapping file made; None when there are none."""
    values = [
        SeriesValue(key.metric, value, instance, key.unit, key.kind)
        for key, cell_value in cell.items() if isinstance(key, Mapped)
        for instance, value in sorted(cell_value.items())
    ]  # fmt: skip
    return values[:MAX_INSTANCES] or None


def amount(value: float | None) -> int | None:
    """Return a number of bytes; None if it is negative or too large."""
    return int(value) if value is not None and 0 <= value <= EXACT else None


def percent(value: float | None) -> float | None:
    """Return a share in percent, rounding cut to 0..100; None for one that can't be."""
    return in_range("disk_percent", value)
