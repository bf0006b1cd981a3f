"""A bounded cache of series ids by instance, filled from the database when a flush needs them.

An entry is read again after an hour, so series that were deleted or marked as gone elsewhere are noticed. A missing
entry costs a query, never a value.
"""

import time
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from core.metrics import Kind
from core.series import CUSTOM, SERIES_BY_NAME, SeriesMetric, custom_metric
from ingest.series_rows import SeriesSlot, make_slot
from ingest.series_shapes import MAX_SHAPES, SampleShape, ShapeKey

KEPT_SERIES = 400_000  # of all devices in one process: about 210 MB, shapes included
FRESH_SECONDS = 3600.0
REFUSED_SECONDS = 300.0  # how long a device that has no room isn't asked about again

Name = tuple[str, str]  # metric, instance


class CounterReading(NamedTuple):
    """The counters of a device's newest sample in this process; `key` identifies the series of its values."""

    at: datetime
    uptime: float | None  # seconds
    key: object
    counters: tuple[float, ...]


@dataclass(slots=True, eq=False)
class DeviceSeries:
    """The series of one device by (metric, instance), and the shapes of its samples."""

    read_at: float
    slots: dict[Name, SeriesSlot] = field(default_factory=dict)
    shapes: dict[ShapeKey, list[SampleShape]] = field(default_factory=dict)
    full_until: float = 0.0  # while it has no room for new series
    reading: CounterReading | None = None

    def add(self, row: asyncpg.Record) -> None:
        """Keep a series that is registered."""
        definition = SERIES_BY_NAME.get(row["metric"])
        kind = Kind.COUNTER if row["is_counter"] else Kind.GAUGE
        metric = definition or custom_metric(row["metric"], row["unit"], kind)
        self.slots[row["metric"], row["instance"]] = make_slot(row["id"], row["instance"], metric)

    def keep_shape(self, key: ShapeKey, shape: SampleShape) -> None:
        """Keep a shape; beyond MAX_SHAPES of a device none is added until the device is read again."""
        if sum(map(len, self.shapes.values())) < MAX_SHAPES:
            self.shapes.setdefault(key, []).append(shape)


class SeriesRegistry:
    """The series of devices that uploaded to this process lately."""

    def __init__(self) -> None:
        self._devices: OrderedDict[UUID, DeviceSeries] = OrderedDict()
        self._kept = 0

    def get(self, device_id: UUID) -> DeviceSeries | None:
        """Return the cached series of a device; None when they must be read from the database."""
        device = self._devices.get(device_id)
        if device is None or time.monotonic() - device.read_at > FRESH_SECONDS:
            return None
        self._devices.move_to_end(device_id)
        return device

    def held(self, device_id: UUID) -> DeviceSeries:
        """Return a device that was read before, even if its entry has expired."""
        return self._devices[device_id]

    def trim(self) -> None:
        """Drop the devices that were silent longest, down to KEPT_SERIES; between two flushes."""
        while self._kept > KEPT_SERIES:
            _, dropped = self._devices.popitem(last=False)
            self._kept -= len(dropped.slots)

    def unknown(self, devices: Collection[UUID]) -> list[UUID]:
        """Return those of `devices`, each once among them, that must be read."""
        return [device for device in devices if self.get(device) is None]

    def learn(self, devices: Sequence[UUID], rows: Iterable[asyncpg.Record]) -> None:
        """Keep what the database holds of `devices`."""
        now = time.monotonic()
        read = {device: DeviceSeries(now) for device in devices}
        for row in rows:
            read[row["agent_device_id"]].add(row)
        for device, series in read.items():
            self._kept -= len(self._devices.pop(device, DeviceSeries(now)).slots)
            self._devices[device] = series
            self._kept += len(series.slots)

    def learn_uptimes(self, rows: Iterable[asyncpg.Record]) -> None:
        """Keep the newest uptimes of devices that were just read; their counters are read when they are compared."""
        for row in rows:
            self._devices[row["id"]].reading = CounterReading(row["at"], row["uptime"], None, ())

    def forget(self, devices: Iterable[UUID]) -> None:
        """Have devices read again: the transaction that registered their series didn't commit."""
        for device in devices:
            dropped = self._devices.pop(device, None)
            self._kept -= len(dropped.slots) if dropped else 0

    def registered(self, rows: Iterable[asyncpg.Record]) -> None:
        """Keep series that have just been registered."""
        for row in rows:
            device = self._devices[row["agent_device_id"]]
            self._kept += (row["metric"], row["instance"]) not in device.slots
            device.add(row)
            device.shapes.clear()


def choose_metric(name: str, unit: str | None, kind: str | None) -> SeriesMetric | None:
    """Return the metric that a new series is of; None when there is none of this name."""
    if name.startswith(CUSTOM):
        return custom_metric(name, unit or "", Kind(kind or "gauge"))
    return SERIES_BY_NAME.get(name)
