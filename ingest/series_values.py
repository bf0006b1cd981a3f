"""A sample's disks, interfaces, sensors and values → series and values in parallel; new series are listed."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from core.series import CUSTOM, METRIC_NAME, SeriesMetric
from core.text import clean_name
from ingest.pending import Row
from ingest.samples import Note, Sample
from ingest.series_registry import DeviceSeries, metric_of
from ingest.series_rows import Slot
from ingest.series_types import (
    DISK_METRICS,
    DISK_VALUES,
    INTERFACE_METRICS,
    INTERFACE_VALUES,
    SENSOR_METRICS,
    SeriesValue,
    sensor_values,
)

METRIC_PATTERN = re.compile(METRIC_NAME)
Values = Callable[[Any], tuple[float | None, ...]]
LISTS: tuple[tuple[str, tuple[str, ...], Values], ...] = (
    ("disks", DISK_METRICS, DISK_VALUES),
    ("interfaces", INTERFACE_METRICS, INTERFACE_VALUES),
    ("sensors", SENSOR_METRICS, sensor_values),
)


class Wanted(NamedTuple):
    """A series that a device sends and the database doesn't have."""

    device_id: UUID
    metric: SeriesMetric
    instance: str


@dataclass(slots=True)
class Flat:
    """The values of one sample, each series once."""

    row: Row
    slots: list[Slot] = field(default_factory=list)
    values: list[float] = field(default_factory=list)
    ids: tuple[int, ...] = ()

    def finish(self) -> None:
        """Drop what names a series for the second time."""
        self.ids = tuple([slot.id for slot in self.slots])
        if len(set(self.ids)) < len(self.ids):
            first = dict(zip(reversed(self.ids), reversed(range(len(self.ids))), strict=True))
            places = sorted(first.values())
            self.slots, self.values = [self.slots[at] for at in places], [self.values[at] for at in places]
            self.ids = tuple(self.ids[at] for at in places)


@dataclass(slots=True)
class Flattened:
    """What a flush brings for series."""

    flats: list[Flat] = field(default_factory=list)
    wanted: dict[tuple[UUID, str, str], Wanted] = field(default_factory=dict)
    faults: dict[tuple[Row, str], tuple[str, int]] = field(default_factory=dict)  # → message, how many

    def fault(self, row: Row, code: str, message: str) -> None:
        """Take note of a value that isn't stored: one note for each sample and code."""
        first, count = self.faults.get((row, code), (message, 0))
        self.faults[row, code] = first, count + 1

    def write_notes(self) -> None:
        """Put the faults into the receipts of their uploads."""
        for (row, code), (message, count) in self.faults.items():
            more = f" (and {count - 1} more)" if count > 1 else ""
            row.upload.notes.append(Note(index_of(row), "series", code, message + more))


def index_of(row: Row) -> int:
    """Return the place of a row's sample in its upload, where rejected samples have a place too."""
    decoded = row.upload.decoded
    rejected = {rejection.index for rejection in decoded.rejected}
    accepted = [index for index in range(decoded.received) if index not in rejected]
    return accepted[row.upload.rows.index(row)]


def flatten(row: Row, sample: Sample, series: DeviceSeries, into: Flattened) -> None:
    """Add the values of one sample to `into`."""
    flat = Flat(row)
    for part, metrics, values_of in LISTS:
        for entry in getattr(sample, part) or ():
            add_entry(flat, series, part, entry.name, metrics, values_of(entry), into)
    for value in sample.series or ():
        add_value(flat, series, value, into)
    flat.finish()
    into.flats.append(flat)


def add_entry(
    flat: Flat,
    series: DeviceSeries,
    part: str,
    name: str,
    metrics: Sequence[str],
    values: tuple[float | None, ...],
    into: Flattened,
) -> None:
    """Add the values of one disk, interface or sensor."""
    slots = series.lists.get((part, name)) or find_slots(series, part, name, metrics)
    if None not in values and None not in slots:
        flat.slots += slots  # type: ignore[arg-type]
        flat.values += values  # type: ignore[arg-type]
        return
    for metric, slot, value in zip(metrics, slots, values, strict=True):
        if value is not None:
            if slot is not None:
                flat.slots.append(slot)
                flat.values.append(value)
            else:
                want(flat.row, series, SeriesValue(metric, value, name), into)


def find_slots(series: DeviceSeries, part: str, name: str, metrics: Sequence[str]) -> tuple[Slot | None, ...]:
    """Return the series of an entry; kept by the name as it is sent when there is any."""
    instance = clean_name(name)
    slots = tuple(series.slots.get((metric, instance)) for metric in metrics)
    if any(slots):
        series.lists[part, name] = slots
    return slots


def add_value(flat: Flat, series: DeviceSeries, value: SeriesValue, into: Flattened) -> None:
    """Add one value of any metric, unless its unit, kind or range is another than that of its series."""
    slot = series.slots.get((value.metric, value.instance))
    if slot is None and not value.instance.isascii():
        slot = series.slots.get((value.metric, clean_name(value.instance)))
    if slot is None:
        want(flat.row, series, value, into)
    elif is_other(value, slot.metric):
        into.fault(flat.row, "series_redefined", message_of_other(value, slot.metric))
    elif not slot.metric.minimum <= value.value <= slot.metric.maximum:
        into.fault(flat.row, "out_of_range", f"{value.metric} is {value.value:g}: {bounds_of(slot.metric)}")
    else:
        flat.slots.append(slot)
        flat.values.append(value.value)


def want(row: Row, series: DeviceSeries, value: SeriesValue, into: Flattened) -> None:
    """List a series that must be registered first; note what can't be."""
    instance = clean_name(value.instance)
    metric = metric_of(value.metric, value.unit, value.kind)
    if metric is None or not METRIC_PATTERN.match(value.metric):
        known = f"the catalogue has none of this name; your own begin with {CUSTOM!r}"
        into.fault(row, "unknown_metric", f"{value.metric[:80]!a}: {known}")
    elif value.instance and not instance:
        into.fault(row, "invalid_instance", f"nothing of the instance {value.instance[:80]!a} can be stored")
    elif is_other(value, metric):
        into.fault(row, "series_redefined", message_of_other(value, metric))
    elif not metric.minimum <= value.value <= metric.maximum:
        into.fault(row, "out_of_range", f"{value.metric} is {value.value:g}: {bounds_of(metric)}")
    elif time.monotonic() < series.full_until:
        into.fault(row, "too_many_series", message_of_full(metric.name, instance))
    else:
        into.wanted.setdefault(
            (row.upload.agent_id, metric.name, instance), Wanted(row.upload.agent_id, metric, instance)
        )


def is_other(value: SeriesValue, metric: SeriesMetric) -> bool:
    """Tell whether a value says another unit or kind than its series has."""
    return (value.unit is not None and value.unit != metric.unit) or (
        value.kind is not None and value.kind != metric.kind.value
    )


def message_of_other(value: SeriesValue, metric: SeriesMetric) -> str:
    """Return what a receipt says of another unit or kind."""
    sent = f"{value.kind or metric.kind.value} in {metric.unit if value.unit is None else value.unit!a}"
    return (
        f"{metric.name} is a {metric.kind.value} in {metric.unit!a}, not a {sent}: this value isn't stored; "
        "send it under another name"
    )


def message_of_full(metric: str, instance: str) -> str:
    """Return what a receipt says of a series for which there is no room."""
    name = f"{metric} of {instance[:80]!a}"
    return f"{name} is a new series, and the device or its business has as many as it may: the value isn't stored"


def bounds_of(metric: SeriesMetric) -> str:
    """Return the bounds of a metric in words."""
    return f"it must lie in {metric.minimum:g}..{metric.maximum:g}; left out"
