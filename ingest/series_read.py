"""Reads disks, interfaces, sensors and series field by field: a faulty entry or value never costs the others."""

import re
from collections.abc import Callable
from typing import Any, TypeVar

from core.series import MAX_INSTANCE, MAX_UNIT, METRIC_NAME, SERIES_BY_NAME, SeriesMetric
from core.text import clean_name
from ingest.faults import FaultError, Notes, short_form
from ingest.numbers import check_number, nearest_end
from ingest.samples import Sample
from ingest.series_types import (
    DISK_FIELDS,
    INTERFACE_FIELDS,
    MAX_INSTANCES,
    Disk,
    Interface,
    Sensor,
    SeriesValue,
)

Entry = TypeVar("Entry")


def read_series_parts(sample: Sample, item: dict[str, Any], notes: Notes) -> None:
    """Set the parts of `sample` that become series from those of `item`; faulty entries are dropped and noted."""
    sample.disks = read_list("disks", item.get("disks"), read_disk, notes)
    sample.interfaces = read_list("interfaces", item.get("interfaces"), read_interface, notes)
    sample.sensors = read_list("sensors", item.get("sensors"), read_sensor, notes)
    sample.series = read_list("series", item.get("series"), read_value, notes)


def read_list(
    field: str, value: Any, read: Callable[[dict[str, Any], Notes], Entry], notes: Notes
) -> list[Entry] | None:
    """Return the entries that can be read, at most MAX_INSTANCES; None when there is no list."""
    if value is None:
        return None
    if not isinstance(value, list):
        notes.add(field, FaultError("wrong_type", f"{field} must be a list, not {short_form(value)}; ignored"))
        return None
    if len(value) > MAX_INSTANCES:
        message = f"the list has {len(value)} entries, the first {MAX_INSTANCES} are taken"
        notes.add(field, FaultError("too_many_series", message))
    entries = []
    for entry in value[:MAX_INSTANCES]:
        try:
            if not isinstance(entry, dict):
                raise FaultError("wrong_type", f"an entry of {field} must be an object, not {short_form(entry)}")
            entries.append(read(entry, notes))
        except FaultError as fault:
            notes.add(field, fault)
    return entries


def read_disk(entry: dict[str, Any], notes: Notes) -> Disk:
    """Return a disk; raises FaultError when it has no usable name."""
    kind = entry.get("type")
    disk = Disk(read_instance(entry.get("name")), clean_name(kind)[:MAX_INSTANCE] if isinstance(kind, str) else None)
    for field in DISK_FIELDS:
        setattr(disk, field, read_field("disks", f"disk.{field}", entry.get(field), notes))
    return disk


def read_interface(entry: dict[str, Any], notes: Notes) -> Interface:
    """Return an interface; raises FaultError when it has no usable name."""
    interface = Interface(read_instance(entry.get("name")))
    for field in INTERFACE_FIELDS:
        setattr(interface, field, read_field("interfaces", f"network.{field}", entry.get(field), notes))
    return interface


def read_sensor(entry: dict[str, Any], notes: Notes) -> Sensor:
    """Return a sensor; raises FaultError when it has no usable name."""
    celsius = read_field("sensors", "temperature.celsius", entry.get("celsius"), notes)
    return Sensor(read_instance(entry.get("name")), celsius)


def read_value(entry: dict[str, Any], notes: Notes) -> SeriesValue:
    """Return a value of any metric; raises FaultError unless metric, instance and value can be read."""
    del notes
    metric, kind = entry.get("metric"), entry.get("kind")
    if not isinstance(metric, str) or not re.match(METRIC_NAME, metric):
        raise FaultError("unknown_metric", f"metric must be like custom.queue_length, not {short_form(metric)}")
    value: Any = entry.get("value")
    check_number(metric, value)
    if kind not in (None, "gauge", "counter"):
        raise FaultError("wrong_type", f"kind of {short_form(metric)} must be gauge or counter, not {short_form(kind)}")
    instance = entry.get("instance")
    return SeriesValue(
        metric, float(value), read_instance(instance) if instance else "", read_unit(metric, entry.get("unit")), kind
    )  # fmt: skip


def read_unit(metric: str, unit: Any) -> str | None:
    """Return the unit of a value, None if it has none; raises FaultError if it is no text or is too long."""
    if unit is None:
        return None
    if not isinstance(unit, str) or len(unit) > MAX_UNIT:
        message = (
            f"unit of {short_form(metric)} must be a text of at most {MAX_UNIT} characters, not {short_form(unit)}"
        )
        raise FaultError("wrong_type", message)
    return clean_name(unit)


def read_instance(name: Any) -> str:
    """Return the name of an instance as it is stored; raises FaultError if it is empty or too long.

    A long name is not cut: two names with the same beginning would become one series.
    """
    if not isinstance(name, str):
        raise FaultError("invalid_instance", f"the name of an instance must be a text, not {short_form(name)}")
    if len(name) > MAX_INSTANCE:
        message = f"the name of an instance has {len(name)} characters, at most {MAX_INSTANCE} are taken"
        raise FaultError("invalid_instance", message)
    cleaned = clean_name(name)
    if not cleaned:
        raise FaultError("invalid_instance", f"the name of an instance is empty: {short_form(name)}")
    return cleaned


def read_field(field: str, metric: str, value: Any, notes: Notes) -> Any:
    """Return a value within the bounds of its metric; None, and a note, when it can't be."""
    if value is None:
        return None
    definition = SERIES_BY_NAME[metric]
    try:
        check_number(metric, value)
        return check_bounds(field, definition, value, notes)
    except FaultError as fault:
        notes.add(field, fault)
        return None


def check_bounds(field: str, metric: SeriesMetric, value: float, notes: Notes) -> float:
    """Return a value within bounds; one that is beyond an end by rounding is cut to it. Raises FaultError."""
    if metric.minimum <= value <= metric.maximum:
        return value
    end = nearest_end(metric, value)
    if end is None:
        rule = f"it must be in {metric.minimum:g}..{metric.maximum:g}; left out"
        raise FaultError("out_of_range", f"{metric.name} is {short_form(value)}, {rule}")
    notes.add(field, FaultError("clamped", f"{metric.name} is {short_form(value)}, stored as {end:g}"))
    return end
