"""Flattens a sample's disks, interfaces, sensors and values into parallel series and values; lists new series."""

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from uuid import UUID

from core.series import CUSTOM, METRIC_NAME, SeriesMetric, instance_name
from ingest.copy_rows import microseconds
from ingest.numbers import nearest_end
from ingest.pending import Row
from ingest.samples import Note, Sample
from ingest.series_registry import DeviceSeries, choose_metric
from ingest.series_rows import SeriesSlot, join_rows, pack_values
from ingest.series_shapes import SampleShape, make_shape, read_fields
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


class NewSeries(NamedTuple):
    """A series that a device sends and the database doesn't have."""

    device_id: UUID
    metric: SeriesMetric
    instance: str


@dataclass(slots=True)
class Flat:
    """The values of one sample, each series once; `at` is its time in microseconds since 2000."""

    row: Row
    series: DeviceSeries  # of the device
    at: int
    slots: Sequence[SeriesSlot]
    values: Sequence[float]
    packed: bytes  # the values as COPY takes them
    rows: bytes  # for COPY, with zeros for values and times
    shape: SampleShape | None = None  # when all values of the sample are stored


@dataclass(slots=True)
class Flattened:
    """The values of series in a flush."""

    flats: list[Flat] = field(default_factory=list)
    wanted: dict[tuple[UUID, str, str], NewSeries] = field(default_factory=dict)
    faults: dict[tuple[Row, str], tuple[str, int]] = field(default_factory=dict)  # → message, how many

    def fault(self, row: Row, code: str, message: str) -> None:
        """Take note of a value that isn't stored: one note for each sample and code."""
        first, count = self.faults.get((row, code), (message, 0))
        self.faults[row, code] = first, count + 1

    def write_notes(self) -> None:
        """Put the faults into the receipts of their uploads."""
        for (row, code), (message, count) in self.faults.items():
            more = f" (and {count - 1} more)" if count > 1 else ""
            row.upload.notes.append(Note(sample_index(row), "series", code, message + more))


def sample_index(row: Row) -> int:
    """Return the place of a row's sample in its upload, where rejected samples have a place too."""
    decoded = row.upload.decoded
    rejected = {rejection.index for rejection in decoded.rejected}
    accepted = [index for index in range(decoded.received) if index not in rejected]
    return accepted[row.upload.rows.index(row)]


def flatten(row: Row, series: DeviceSeries, into: Flattened) -> None:
    """Add the values of one sample to `into`."""
    key, fields = read_fields(row.sample)
    at = microseconds(row.collected_at)
    for shape in series.shapes.get(key, ()):
        picked = shape.values_of(fields)
        if picked is not None:
            into.flats.append(Flat(row, series, at, shape.slots, *picked, shape.rows, shape))
            return
    slots, stored = find_series(row, series, into)
    into.flats.append(Flat(row, series, at, slots, stored, pack_values(stored), join_rows(slots)))
    if len(slots) == count_values(row.sample) and (row, "clamped") not in into.faults:
        series.keep_shape(key, make_shape(row.upload.agent_id.bytes, slots, key, fields))


def count_values(sample: Sample) -> int:
    """Return how many values a sample has for series."""
    return sum(1 for _ in values_of_lists(sample)) + len(sample.series or ())


def find_series(row: Row, series: DeviceSeries, into: Flattened) -> tuple[list[SeriesSlot], list[float]]:
    """Return the series of a sample's values, each once, and the values; faults are noted in `into`."""
    values: dict[int, tuple[SeriesSlot, float]] = {}
    for value in values_of_lists(row.sample):
        slot = series.slots.get((value.metric, instance_name(value.instance)))
        if slot is None:
            want(row, series, value, into)
        else:
            values.setdefault(slot.id, (slot, value.value))
    for value in row.sample.series or ():
        slot = series.slots.get((value.metric, instance_name(value.instance)))
        if slot is None:
            want(row, series, value, into)
        elif (stored := storable_value(row, value, slot.metric, into)) is not None:
            values.setdefault(slot.id, (slot, stored))
    return [slot for slot, _ in values.values()], [value for _, value in values.values()]


def values_of_lists(sample: Sample) -> Iterator[SeriesValue]:
    """Yield the values of disks, interfaces and sensors, which the decoder has checked."""
    for part, metrics, values_of in LISTS:
        for entry in getattr(sample, part) or ():
            for metric, value in zip(metrics, values_of(entry), strict=True):
                if value is not None:
                    yield SeriesValue(metric, value, entry.name)


def storable_value(row: Row, value: SeriesValue, metric: SeriesMetric, into: Flattened) -> float | None:
    """Return a value of the unit and kind of its series, a rounding error cut to its bounds; None if it is none.

    What is changed or left out is noted in `into`.
    """
    if is_other(value, metric):
        into.fault(row, "series_redefined", message_of_other(value, metric))
        return None
    if metric.minimum <= value.value <= metric.maximum:
        return value.value
    end = nearest_end(metric, value.value)
    if end is None:
        into.fault(row, "out_of_range", f"{value.metric} is {value.value:g}: {describe_bounds(metric)}")
    else:
        into.fault(row, "clamped", f"{value.metric} is {value.value!r}, stored as {end:g}")
    return end


def want(row: Row, series: DeviceSeries, value: SeriesValue, into: Flattened) -> None:
    """List a series that must be registered first, or note why it cannot be."""
    instance = instance_name(value.instance)
    metric = choose_metric(value.metric, value.unit, value.kind)
    if metric is None or not METRIC_PATTERN.match(value.metric):
        hint = f"the catalogue has no such metric; names of custom metrics begin with {CUSTOM!r}"
        into.fault(row, "unknown_metric", f"{value.metric[:80]!a}: {hint}")
    elif value.instance and not instance:
        into.fault(row, "invalid_instance", f"no value of instance {value.instance[:80]!a} can be stored")
    elif storable_value(row, value, metric, into) is None:
        pass
    elif time.monotonic() < series.full_until:
        into.fault(row, "too_many_series", message_of_full(metric.name, instance))
    else:
        into.wanted.setdefault(
            (row.upload.agent_id, metric.name, instance), NewSeries(row.upload.agent_id, metric, instance)
        )


def is_other(value: SeriesValue, metric: SeriesMetric) -> bool:
    """Return whether a value has another unit or kind than its series."""
    return (value.unit is not None and value.unit != metric.unit) or (
        value.kind is not None and value.kind != metric.kind.value
    )


def message_of_other(value: SeriesValue, metric: SeriesMetric) -> str:
    """Return the note of a receipt about another unit or kind."""
    sent = f"{value.kind or metric.kind.value} in {metric.unit if value.unit is None else value.unit!a}"
    return (
        f"{metric.name} is a {metric.kind.value} in {metric.unit!a}, not a {sent}: this value is not stored; "
        "send it under another name"
    )


def message_of_full(metric: str, instance: str) -> str:
    """Return the note of a receipt about a series beyond the limit."""
    name = f"{metric} of {instance[:80]!a}"
    return f"{name} is a new series, and the limit of its device or business is reached: the value is not stored"


def describe_bounds(metric: SeriesMetric) -> str:
    return f"it must be in {metric.minimum:g}..{metric.maximum:g}; left out"
