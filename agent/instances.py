"""Metrics with instances of this machine, by psutil: disks, interfaces, temperature sensors, swap.

Only real ones: disks without images and container layers, memory file systems only if a person mounted them (not under
/run or /dev), interfaces without loopback, bridges and virtual pairs.
"""

import re
from collections.abc import Iterator
from typing import Any

import psutil

from agent.measured import measured

# psutil's `all=False` leaves most of these out already; not on every platform.
UNREAL_TYPES = frozenset({"squashfs", "overlay", "devtmpfs", "ramfs", "iso9660", "udf", "autofs", "fuse.snapfuse"})
UNREAL_MOUNTS = re.compile(r"^/(snap|var/snap|var/lib/(docker|containerd|kubelet)|run|proc|sys|dev)(/|$)")
UNREAL_INTERFACES = re.compile(
    r"^(lo\d*|loopback.*|veth.*|vethernet.*|docker\d*|br-.*|br\d+|bridge\d*|virbr.*|vnet\d+|cni.*|flannel.*|cali.*"
    r"|ifb\d*|dummy\d*|awdl\d*|llw\d*)$",
    re.IGNORECASE,
)
MEMORY = "tmpfs"
MAX_INSTANCES = 200  # entries of a list that the server accepts
MAX_NAME = 255


def instances() -> dict[str, Any]:
    """Return the parts of a sample with instances; a part that this platform cannot measure is missing."""
    measures = {"disks": disks, "interfaces": interfaces, "sensors": sensors, "series": swap}
    parts = {name: measured(name, measure) for name, measure in measures.items()}
    return {name: part[:MAX_INSTANCES] for name, part in parts.items() if part}


def disks() -> list[dict[str, Any]]:
    """Return each real file system once, by its mount point; bind mounts of a device are left out."""
    readings, seen = [], set()
    for part in partitions():
        device = part.mountpoint if part.fstype == MEMORY else part.device
        if is_real_disk(part) and device not in seen and len(part.mountpoint) <= MAX_NAME:
            seen.add(device)
            readings.append(part)
    counters = measured("reads and writes of disks", lambda: psutil.disk_io_counters(perdisk=True)) or {}
    usages = (disk(part, counters.get(part.device.rpartition("/")[2])) for part in readings)
    return [one for one in usages if one is not None]


def partitions() -> Iterator[Any]:
    """Yield psutil's physical partitions, then file systems in memory, which psutil leaves out."""
    yield from psutil.disk_partitions(all=False)
    yield from (part for part in psutil.disk_partitions(all=True) if part.fstype == MEMORY)


def is_real_disk(part: Any) -> bool:
    """Return whether a partition holds data of the machine itself."""
    if part.fstype.lower() in UNREAL_TYPES or not part.fstype or "cdrom" in part.opts.split(","):
        return False
    return not UNREAL_MOUNTS.match(part.mountpoint)


def disk(part: Any, counters: Any) -> dict[str, Any] | None:
    """Return one file system; None if it cannot be read (a drive without a medium)."""
    try:
        usage = psutil.disk_usage(part.mountpoint)
    except OSError:
        return None
    one = {
        "name": part.mountpoint, "type": part.fstype, "used_bytes": usage.used, "size_bytes": usage.total,
        "percent": usage.percent,
    }  # fmt: skip
    if counters is not None:
        one |= {
            "read_bytes": counters.read_bytes, "write_bytes": counters.write_bytes, "read_ms": counters.read_time,
            "write_ms": counters.write_time,
        }  # fmt: skip
    return one


def interfaces() -> list[dict[str, Any]]:
    """Return each real interface with its counters."""
    counters = psutil.net_io_counters(pernic=True) or {}
    return [
        {
            "name": name, "rx_bytes": one.bytes_recv, "tx_bytes": one.bytes_sent, "rx_errors": one.errin,
            "tx_errors": one.errout, "rx_drops": one.dropin, "tx_drops": one.dropout,
        }
        for name, one in sorted(counters.items())
        if not UNREAL_INTERFACES.match(name)
    ]  # fmt: skip


def sensors() -> list[dict[str, Any]]:
    """Return temperatures by chip and label; sensors of one name are numbered."""
    read = getattr(psutil, "sensors_temperatures", None)  # not on Windows and macOS
    readings: list[dict[str, Any]] = []
    for chip, temperatures in sorted((read() if read else {}).items()):
        for number, one in enumerate(temperatures):
            name = f"{chip} {one.label or number}"[:MAX_NAME]
            if one.current is not None and all(other["name"] != name for other in readings):
                readings.append({"name": name, "celsius": one.current})
    return readings


def swap() -> list[dict[str, Any]]:
    """Return the use of swap space; nothing on a machine without it."""
    memory = psutil.swap_memory()
    if not memory.total:
        return []
    values = {
        "swap.percent": memory.percent, "swap.used_bytes": memory.used, "swap.in_bytes": memory.sin,
        "swap.out_bytes": memory.sout,
    }  # fmt: skip
    return [{"metric": metric, "value": value} for metric, value in values.items()]
