"""collectd's write_http in JSON: value lists → values. One interval arrives in several requests."""

from collections.abc import Callable
from itertools import zip_longest

import msgspec

from protocols.errors import MalformedUploadError
from protocols.mapping import EMPTY, MetricMapping
from protocols.readings import MetricReading, Quantity, floor

SECOND = 1_000_000


class ValueList(msgspec.Struct):
    """One value list; `time` and `interval` are seconds, null is an unknown value."""

    values: list[float | None]
    time: float
    interval: float = 10.0
    dsnames: list[str] = []
    host: str = ""
    plugin: str = ""
    plugin_instance: str = ""
    type: str = ""
    type_instance: str = ""


_lists = msgspec.json.Decoder(list[msgspec.Raw])
_list = msgspec.json.Decoder(ValueList)


def read_collectd(body: bytes, mapping: MetricMapping = EMPTY) -> MetricReading:
    """Return the values of a body; raises MalformedUploadError when it isn't a JSON list."""
    try:
        raws = _lists.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedUploadError(f"The body must be a JSON list of value lists: {error}.") from None
    reading = MetricReading(mapping=mapping, in_parts=True)
    for number, raw in enumerate(raws):
        try:
            add_list(reading, _list.decode(raw))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
            reading.cannot_parse(f"value list {number}: {error}")
    return reading


def add_list(reading: MetricReading, values: ValueList) -> None:
    """Add the values of a value list about the device."""
    reading.points += 1
    reading.enter(values.host)
    if values.host not in reading.machines:
        reading.describe(values.host, hostname=values.host)
    cell = floor(round(values.time * SECOND), max(1, round(values.interval * SECOND)))
    read = PLUGINS.get((values.plugin, values.type))
    if read:
        read(reading, values, cell)
    if reading.mapping.find("collectd", f"{values.plugin}.{values.type}"):
        add_mapped(reading, values, cell)


def add_mapped(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Add the series of the mapping file for a list; the name of a value is the label `dsname`."""
    labels = {"plugin_instance": values.plugin_instance, "type_instance": values.type_instance, "host": values.host}
    for name, value in zip_longest(values.dsnames[: len(values.values)], values.values, fillvalue=""):
        if isinstance(value, float):
            named = labels | {"dsname": str(name)}
            reading.add_mapped("collectd", f"{values.plugin}.{values.type}", named, cell, value)


def one(reading: MetricReading, values: ValueList, cell: int, quantity: Quantity, instance: str = "") -> None:
    """Add the first value of a list."""
    if values.values and values.values[0] is not None:
        reading.add(cell, quantity, instance, values.values[0])


def read_cpu(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Read the share of each state over all cores (ReportByCpu false, ValuesPercentage true)."""
    if not values.plugin_instance and values.type_instance != "active":
        one(reading, values, cell, Quantity.CPU_STATE, values.type_instance)


def read_memory(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Read memory by state in bytes."""
    one(reading, values, cell, Quantity.MEMORY_STATE, values.type_instance)


def read_memory_percent(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Read the share of used memory, 0..100, from the plugin's percentages."""
    if values.type_instance == "used":
        one(reading, values, cell, Quantity.MEMORY_PERCENT)


def read_df(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Read file systems: `free` is available to users, `reserved` only to root."""
    quantity = {"used": Quantity.DISK_USED, "free": Quantity.DISK_AVAILABLE}.get(values.type_instance)
    if quantity:
        one(reading, values, cell, quantity, values.plugin_instance)


def read_load(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Read the three load averages."""
    for instance, value in zip(("1m", "5m", "15m"), values.values, strict=False):
        if value is not None:
            reading.add(cell, Quantity.LOAD, instance, value)


def read_uptime(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Read seconds since boot."""
    one(reading, values, cell, Quantity.UPTIME)


def read_octets(reading: MetricReading, values: ValueList, cell: int) -> None:
    """Read bytes received and sent by one interface since boot."""
    for quantity, value in zip((Quantity.NETWORK_RX, Quantity.NETWORK_TX), values.values, strict=False):
        if value is not None:
            reading.add(cell, quantity, values.plugin_instance, value)


PLUGINS: dict[tuple[str, str], Callable[[MetricReading, ValueList, int], None]] = {
    ("cpu", "percent"): read_cpu, ("memory", "memory"): read_memory, ("memory", "percent"): read_memory_percent,
    ("df", "df_complex"): read_df, ("load", "load"): read_load, ("uptime", "uptime"): read_uptime,
    ("interface", "if_octets"): read_octets,
}  # fmt: skip
