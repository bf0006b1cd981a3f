"""The values of one cell → the columns of a sample.

Memory is total minus *available*: the meaning of "used" differs between collectors and their versions. A disk is full
by used ÷ (used + available), as in `df`: blocks reserved for root are not available.
"""

from collections.abc import Mapping
from typing import Any

from core.metrics import BY_NAME
from core.micros import to_time
from ingest.numbers import nearest_end
from ingest.samples import Sample
from ingest.series_columns import SYSTEM_DISKS
from protocols.readings import Quantity

Values = Mapping[str, float]
Quantities = Mapping[Quantity, Values]
NONE: Values = {}
GIGABYTE = 1e9
ROUNDING = 0.5  # percent below 0 that a difference of counters may be off
IDLE_STATES = frozenset({"idle", "iowait", "wait"})


def make_sample(cell: int, measured: Quantities, cpu_percent: float | None) -> Sample | None:
    """Return the sample of one cell; None when no column has a value.

    `measured` holds complete sets only (`memory.py`); `cpu_percent` is computed from cumulative seconds, if any.
    """
    disk_used, disk_percent = system_disk(measured)
    values = {
        "cpu_percent": in_range("cpu_percent", cpu_share(measured, cpu_percent)),
        "memory_used_gb": in_range("memory_used_gb", gigabytes(memory_used(measured))),
        "memory_percent": in_range("memory_percent", memory_percent(measured)),
        "disk_used_gb": in_range("disk_used_gb", gigabytes(disk_used)),
        "disk_percent": in_range("disk_percent", disk_percent),
        "load_average": load_averages(measured),
        "uptime_seconds": whole("uptime_seconds", uptime_seconds(cell, measured)),
        "network_rx_bytes": whole("network_rx_bytes", total(measured, Quantity.NETWORK_RX)),
        "network_tx_bytes": whole("network_tx_bytes", total(measured, Quantity.NETWORK_TX)),
    }
    if all(value is None for value in values.values()):
        return None
    columns: dict[str, Any] = values
    return Sample(collected_at=to_time(cell), **columns)


def cpu_share(measured: Quantities, from_seconds: float | None) -> float | None:
    """Return the share of time that cores were busy; waiting for a disk is idle, as psutil counts it."""
    ready = first(measured, Quantity.CPU_BUSY)
    states = measured.get(Quantity.CPU_STATE) or summed_by_state(measured.get(Quantity.CPU_SHARE, NONE))
    if ready is not None or "idle" not in states:
        return from_seconds if ready is None else ready
    idle = sum(share for state, share in states.items() if state in IDLE_STATES)
    busy = sum(share for state, share in states.items() if state not in IDLE_STATES)
    if states.keys() <= IDLE_STATES:
        return 100 - idle
    # All zero: the first export of a sender, before it can compute differences.
    return from_seconds if idle + busy == 0 else 100 * busy / (idle + busy)


def summed_by_state(shares: Values) -> Values:
    """Return shares of "core state" summed over the cores, by state."""
    states: dict[str, float] = {}
    for name, share in shares.items():
        state = name.rpartition(" ")[2]
        states[state] = states.get(state, 0.0) + share
    return states


def memory_used(measured: Quantities) -> float | None:
    """Return bytes in use."""
    total, available = first(measured, Quantity.MEMORY_TOTAL), first(measured, Quantity.MEMORY_AVAILABLE)
    if total is not None and available is not None:
        return total - available
    return measured.get(Quantity.MEMORY_STATE, NONE).get("used")


def memory_percent(measured: Quantities) -> float | None:
    """Return the share of memory in use: measured where the sender measured it, else computed."""
    total, available = first(measured, Quantity.MEMORY_TOTAL), first(measured, Quantity.MEMORY_AVAILABLE)
    if total and available is not None:
        return 100 * (1 - available / total)
    ready = first(measured, Quantity.MEMORY_PERCENT)
    states = measured.get(Quantity.MEMORY_STATE, NONE)
    if ready is None and total and "used" in states:
        return 100 * states["used"] / total
    if ready is None and "used" in states and len(states) > 1 and sum(states.values()) > 0:
        return 100 * states["used"] / sum(states.values())
    return ready


def system_disk(measured: Quantities) -> tuple[float | None, float | None]:
    """Return bytes in use and the share in use of the system's disk, else of the largest one."""
    mounts = {mount for quantity in measured if quantity.startswith("disk_") for mount in measured[quantity]}
    if not mounts:
        return None, None
    chosen = next((name for name in SYSTEM_DISKS if name in mounts), None)
    mount = chosen or max(sorted(mounts), key=lambda name: size_bytes(measured, name))
    return used_bytes(measured, mount), used_percent(measured, mount)


def size_bytes(measured: Quantities, mount: str) -> float:
    """Return the size of one file system; some senders name only its used and available bytes."""
    size = measured.get(Quantity.DISK_SIZE, NONE).get(mount)
    parts = (measured.get(quantity, NONE).get(mount, 0.0) for quantity in (Quantity.DISK_USED, Quantity.DISK_AVAILABLE))
    return sum(parts) if size is None else size


def used_bytes(measured: Quantities, mount: str) -> float | None:
    """Return bytes in use of one file system."""
    used = measured.get(Quantity.DISK_USED, NONE).get(mount)
    size, free = (
        measured.get(Quantity.DISK_SIZE, NONE).get(mount),
        measured.get(Quantity.DISK_FREE, NONE).get(mount),
    )
    return size - free if used is None and size is not None and free is not None else used


def used_percent(measured: Quantities, mount: str) -> float | None:
    """Return the share in use of one file system."""
    used = used_bytes(measured, mount)
    available = measured.get(Quantity.DISK_AVAILABLE, NONE).get(mount)
    if used is not None and available is not None and used + available > 0:
        return 100 * used / (used + available)
    return measured.get(Quantity.DISK_PERCENT, NONE).get(mount)


def total(measured: Quantities, quantity: Quantity) -> float | None:
    """Return the sum over the instances of a quantity."""
    values = measured.get(quantity)
    return sum(values.values()) if values else None


def load_averages(measured: Quantities) -> tuple[float | None, float | None, float | None] | None:
    """Return the load averages of 1, 5 and 15 minutes; None if none is present."""
    loads = measured.get(Quantity.LOAD, NONE)
    one, five, fifteen = (in_range(f"load_average_{name}", loads.get(name)) for name in ("1m", "5m", "15m"))
    return None if one is five is fifteen is None else (one, five, fifteen)


def uptime_seconds(cell: int, measured: Quantities) -> float | None:
    """Return seconds since boot."""
    uptime, boot = first(measured, Quantity.UPTIME), first(measured, Quantity.BOOT_TIME)
    return cell / 1e6 - boot if uptime is None and boot is not None else uptime


def first(measured: Quantities, quantity: Quantity) -> float | None:
    """Return the value of a quantity that has one instance."""
    return next(iter(measured.get(quantity, NONE).values()), None)


def gigabytes(value: float | None) -> float | None:
    """Return bytes as gigabytes (10⁹ bytes)."""
    return None if value is None else value / GIGABYTE


def in_range(name: str, value: float | None) -> float | None:
    """Return a value in the range of its column, cut as in native uploads; anything further out is not a value."""
    if value is None or 0 <= value <= BY_NAME[name].maximum:
        return value
    if BY_NAME[name].unit == "percent" and -ROUNDING <= value < 0:
        return 0.0
    return nearest_end(BY_NAME[name], value)


def whole(name: str, value: float | None) -> int | None:
    """Return a value in the range of a bigint column without its fraction; None outside of the range."""
    checked = in_range(name, value)
    return None if checked is None else int(checked)
