"""Influx line protocol (v1, v2, v3): measurements of Telegraf → values."""

from collections.abc import Callable

from core.errors import RtsError
from protocols.disks import is_disk
from protocols.line_protocol import BadLine, Point, parse_lines
from protocols.mapping import EMPTY, MetricMapping
from protocols.readings import MetricReading, Quantity, floor

SECOND = 1_000_000
UNTIMED_CELL = 10 * SECOND  # points without a time: their receipts spread over a second or so
# Microseconds of one unit of the request's precision.
PRECISIONS = {
    "n": 1e-3, "ns": 1e-3, "nanosecond": 1e-3, "u": 1, "us": 1, "µ": 1, "µs": 1, "microsecond": 1, "ms": 1e3,
    "millisecond": 1e3, "s": 1e6, "second": 1e6, "m": 60e6, "h": 3600e6,
}  # fmt: skip
AUTO = "auto"  # version 3's default: a time is in the largest unit in which it lies before the year 2128
GUESSES = ((5e9, 1e6), (5e12, 1e3), (5e15, 1))  # times below, and their unit in microseconds
HOST_TAGS = ("host", "hostname")


class UnknownPrecisionError(RtsError):
    """This precision is unknown: use ns, us, ms or s."""

    code = "unknown_precision"
    status = 400


def read_influx(body: bytes, precision: str, received_at: int, mapping: MetricMapping = EMPTY) -> MetricReading:
    """Return the values of a body; `received_at` is in microseconds since 1970, for points without a time.

    Raises UnknownPrecisionError.
    """
    if precision and precision not in PRECISIONS and precision != AUTO:
        raise UnknownPrecisionError(f"Precision {precision[:20]!r} is unknown: use ns, us, ms or s.")
    unit = None if precision == AUTO else PRECISIONS[precision or "ns"]
    reading = MetricReading(mapping=mapping)
    for point in parse_lines(body.decode("utf-8", "replace")):  # a byte that isn't UTF-8 costs only its name
        if isinstance(point, BadLine):
            reading.cannot_parse(f"unable to parse line {point.number}: {point.text!r}")
        else:
            add_point(reading, point, choose_cell(point.time, unit, received_at))
    return reading


def choose_cell(time: int | None, unit: float | None, received_at: int) -> int:
    """Return the cell of a point: the second of its time, ten seconds of its receipt; without a unit it is guessed."""
    if time is None:
        return floor(received_at, UNTIMED_CELL)
    if unit is None:
        unit = next((guess for below, guess in GUESSES if abs(time) < below), PRECISIONS["ns"])
    microseconds = time // 1000 if unit < 1 else time * int(unit)
    return floor(microseconds, SECOND)


def add_point(reading: MetricReading, point: Point, cell: int) -> None:
    """Add the values of a point about the device; known names without a column are left out."""
    reading.points += 1
    host = next((point.tags[tag] for tag in HOST_TAGS if point.tags.get(tag)), "")
    reading.enter(host)
    if host not in reading.machines:
        reading.describe(host, hostname=host)
    read = MEASUREMENTS.get(point.measurement)
    if read:
        read(reading, point, cell)
    if reading.mapping.entries:
        for name, value in point.fields.items():
            reading.add_mapped("influx", f"{point.measurement}.{name}", point.tags, cell, value)


def add_fields(reading: MetricReading, point: Point, cell: int, names: dict[str, Quantity], instance: str = "") -> None:
    """Add the fields that are quantities as they are."""
    for name, quantity in names.items():
        if name in point.fields:
            reading.add(cell, quantity, instance, point.fields[name])


def add_loads(reading: MetricReading, point: Point, cell: int, one: str, five: str, fifteen: str) -> None:
    """Add the load averages over 1, 5 and 15 minutes, from the fields of these names."""
    for name, instance in ((one, "1m"), (five, "5m"), (fifteen, "15m")):
        add_fields(reading, point, cell, {name: Quantity.LOAD}, instance)


def add_file_system(
    reading: MetricReading, point: Point, cell: int, path: str | None, kind: str | None, *, size: str, percent: str
) -> None:
    """Add a real file system; `size` and `percent` name its fields. `free` is the space available to users."""
    if path and is_disk(kind):
        add_fields(reading, point, cell, {
            size: Quantity.DISK_SIZE, "used": Quantity.DISK_USED, "free": Quantity.DISK_AVAILABLE,
            percent: Quantity.DISK_PERCENT,
        }, path)  # fmt: skip


def add_interface(
    reading: MetricReading, point: Point, cell: int, interface: str | None, received: str, sent: str
) -> None:  # fmt: skip
    """Add the counters of an interface, from the fields of these names."""
    if interface:
        add_fields(reading, point, cell, {received: Quantity.NETWORK_RX, sent: Quantity.NETWORK_TX}, interface)


def read_cpu(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `cpu`: the line of all cores."""
    idle = point.fields.get("usage_idle")
    if point.tags.get("cpu", "cpu-total") == "cpu-total" and idle is not None:
        reading.add(cell, Quantity.CPU_BUSY, "", 100 - idle - point.fields.get("usage_iowait", 0.0))
    elif "idle" in point.fields and "cpu" not in point.tags:  # Glances
        reading.add(cell, Quantity.CPU_BUSY, "", 100 - point.fields["idle"] - point.fields.get("iowait", 0.0))


def read_mem(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `mem`."""
    add_fields(reading, point, cell, {
        "total": Quantity.MEMORY_TOTAL, "available": Quantity.MEMORY_AVAILABLE, "used_percent": Quantity.MEMORY_PERCENT,
    })  # fmt: skip
    if "used" in point.fields:
        reading.add(cell, Quantity.MEMORY_STATE, "used", point.fields["used"])


def read_disk(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `disk`."""
    path, kind = point.tags.get("path"), point.tags.get("fstype")
    add_file_system(reading, point, cell, path, kind, size="total", percent="used_percent")


def read_system(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `system`: load averages, and uptime in its own line."""
    add_loads(reading, point, cell, "load1", "load5", "load15")
    add_fields(reading, point, cell, {"uptime": Quantity.UPTIME})


def read_net(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `net`, one line an interface."""
    add_interface(reading, point, cell, point.tags.get("interface"), "bytes_recv", "bytes_sent")


def read_glances_load(reading: MetricReading, point: Point, cell: int) -> None:
    """Read the load averages of Glances."""
    add_loads(reading, point, cell, "min1", "min5", "min15")


def read_glances_fs(reading: MetricReading, point: Point, cell: int) -> None:
    """Read a file system of Glances."""
    path, kind = point.tags.get("mnt_point"), point.tags.get("fs_type")
    add_file_system(reading, point, cell, path, kind, size="size", percent="percent")


def read_glances_network(reading: MetricReading, point: Point, cell: int) -> None:
    """Read an interface of Glances: `…_gauge` counts since boot, the plain fields since the last export."""
    interface = point.tags.get("interface_name")
    add_interface(reading, point, cell, interface, "bytes_recv_gauge", "bytes_sent_gauge")


def read_kernel(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `kernel`."""
    add_fields(reading, point, cell, {"boot_time": Quantity.BOOT_TIME})


def read_win_cpu(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `win_cpu`."""
    if point.tags.get("instance", "_Total") == "_Total":
        add_fields(reading, point, cell, {"Percent_Processor_Time": Quantity.CPU_BUSY})


def read_win_disk(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `win_disk`: drives by letter, not the total of them."""
    drive, free = point.tags.get("instance", ""), point.fields.get("Percent_Free_Space")
    if drive not in ("", "_Total") and free is not None:
        reading.add(cell, Quantity.DISK_PERCENT, drive, 100 - free)


def read_win_system(reading: MetricReading, point: Point, cell: int) -> None:
    """Read Telegraf's `win_system`."""
    add_fields(reading, point, cell, {"System_Up_Time": Quantity.UPTIME})


MEASUREMENTS: dict[str, Callable[[MetricReading, Point, int], None]] = {
    "cpu": read_cpu, "mem": read_mem, "disk": read_disk, "system": read_system, "net": read_net, "kernel": read_kernel,
    "load": read_glances_load, "fs": read_glances_fs, "network": read_glances_network,
    "win_cpu": read_win_cpu, "win_disk": read_win_disk, "win_system": read_win_system,
}  # fmt: skip
