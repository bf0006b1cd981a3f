"""The parts of a sample that become series: lists of disks, interfaces, sensors, and general values."""

from operator import attrgetter
from typing import Annotated, Literal

from msgspec import Meta, Struct

from core.metrics import EXACT
from core.series import MAX_INSTANCE, MAX_METRIC, MAX_UNIT

MAX_INSTANCES = 200  # entries of one list
# An entry holds only texts and numbers, so it is never in a cycle: `gc=False` keeps the garbage collector away.

Name = Annotated[str, Meta(min_length=1, max_length=MAX_INSTANCE)]
Percent = Annotated[float, Meta(ge=0, le=100)]
# Floats, as they are stored. `series_read.py` checks the largest amount: as a float, the next whole number, which is
# too large, would be equal to it.
Amount = Annotated[float, Meta(ge=0, le=EXACT - 1)]


class Disk(Struct, gc=False):
    """A file system: `name` is its drive or mount point, `type` that of the file system (`ext4`, `NTFS`)."""

    name: Name
    type: Annotated[str, Meta(max_length=MAX_INSTANCE)] | None = None
    used_bytes: Amount | None = None
    size_bytes: Amount | None = None
    percent: Percent | None = None
    inodes_percent: Percent | None = None
    read_bytes: Amount | None = None
    write_bytes: Amount | None = None
    read_ms: Amount | None = None
    write_ms: Amount | None = None


class Interface(Struct, gc=False):
    """A network interface and its counters since the start of the machine."""

    name: Name
    rx_bytes: Amount | None = None
    tx_bytes: Amount | None = None
    rx_errors: Amount | None = None
    tx_errors: Amount | None = None
    rx_drops: Amount | None = None
    tx_drops: Amount | None = None


class Sensor(Struct, gc=False):
    """A temperature sensor; `celsius` is its reading."""

    name: Name
    celsius: Annotated[float, Meta(ge=-273.15, le=1000)] | None = None


class SeriesValue(Struct, gc=False):
    """One value of any metric of the catalogue, or of `custom.*`; unit and kind define a custom metric."""

    metric: Annotated[str, Meta(min_length=1, max_length=MAX_METRIC)]
    value: float
    instance: Annotated[str, Meta(max_length=MAX_INSTANCE)] = ""
    unit: Annotated[str, Meta(max_length=MAX_UNIT)] | None = None
    kind: Literal["gauge", "counter"] | None = None


Disks = Annotated[list[Disk], Meta(max_length=MAX_INSTANCES)]
Interfaces = Annotated[list[Interface], Meta(max_length=MAX_INSTANCES)]
Sensors = Annotated[list[Sensor], Meta(max_length=MAX_INSTANCES)]
Values = Annotated[list[SeriesValue], Meta(max_length=MAX_INSTANCES)]

# The values of an entry in the order of its metrics.
DISK_FIELDS = (
    "used_bytes", "size_bytes", "percent", "inodes_percent", "read_bytes", "write_bytes", "read_ms", "write_ms",
)  # fmt: skip
INTERFACE_FIELDS = ("rx_bytes", "tx_bytes", "rx_errors", "tx_errors", "rx_drops", "tx_drops")
DISK_METRICS = tuple(f"disk.{field}" for field in DISK_FIELDS)
INTERFACE_METRICS = tuple(f"network.{field}" for field in INTERFACE_FIELDS)
SENSOR_METRICS = ("temperature.celsius",)
DISK_VALUES, INTERFACE_VALUES = attrgetter(*DISK_FIELDS), attrgetter(*INTERFACE_FIELDS)


# Which fields of a disk, an interface, a sensor and a general value are texts, in the order of the fields.
TEXTS_OF_ENTRIES = tuple(
    tuple(field in {"name", "type", "metric", "instance", "unit", "kind"} for field in struct.__struct_fields__)
    for struct in (Disk, Interface, Sensor, SeriesValue)
)


def sensor_values(sensor: Sensor) -> tuple[float | None]:
    """Return the values of a sensor in the order of SENSOR_METRICS."""
    return (sensor.celsius,)
