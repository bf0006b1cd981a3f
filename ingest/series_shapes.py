"""The shape of a sample: which disks, interfaces, sensors and series it has, and which of their values.

Most samples of a device have the same shape, so what follows from it is found once: which series its values are of and
how they are encoded. A sample of a known shape costs a few operations on whole lists instead of some for each value.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter, le

from ingest.samples import Sample
from ingest.series_newest import NewestRows
from ingest.series_picker import Picker, picker
from ingest.series_rows import Slot, join_rows
from ingest.series_types import DISK_VALUES, INTERFACE_VALUES

MAX_SHAPES = 8  # of one device
NAME, CELSIUS, VALUE = attrgetter("name"), attrgetter("celsius"), attrgetter("value")
SERIES_NAME = attrgetter("metric", "instance", "unit", "kind")

# The names of each list and how many values are null: with the null places checked, this is all that a shape is.
ShapeKey = tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...], tuple[tuple[str, ...], ...], int]


@dataclass(slots=True, eq=False)
class Shape:
    """What is known of the samples of one shape on one device."""

    pick: Picker  # all values of a sample → those that are not null
    slots: tuple[Slot, ...]
    rows: bytes  # for COPY, with zeros for values and times
    newest: NewestRows
    general: int  # where the values of the general list begin, whose bounds the decoder doesn't check
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    counters: Picker  # stored values → those of counters

    def values_of(self, values: Sequence[float | None]) -> tuple[float, ...] | None:
        """Return the values to store; None when others are null than in this shape, or one is out of bounds."""
        picked = self.pick(values)
        if None in picked:
            return None
        if self.lows:
            checked = picked[self.general :]
            if not (all(map(le, self.lows, checked)) and all(map(le, checked, self.highs))):
                return None
        return picked


def read_sample(sample: Sample) -> tuple[ShapeKey, list[float | None]]:
    """Return the key of a sample's shape, and its values, nulls among them, in the order of the lists."""
    disks, interfaces = sample.disks or (), sample.interfaces or ()
    sensors, series = sample.sensors or (), sample.series or ()
    values: list[float | None] = list(chain.from_iterable(map(DISK_VALUES, disks)))
    values += chain.from_iterable(map(INTERFACE_VALUES, interfaces))
    values += map(CELSIUS, sensors)
    values += map(VALUE, series)
    names = tuple(map(NAME, disks)), tuple(map(NAME, interfaces)), tuple(map(NAME, sensors))
    return (*names, tuple(map(SERIES_NAME, series)), values.count(None)), values


def make_shape(device: bytes, slots: Sequence[Slot], values: Sequence[float | None], general: int) -> Shape:
    """Return the shape of a sample whose values that are not null go to `slots`, `general` of them of its last list."""
    places = tuple(place for place, value in enumerate(values) if value is not None)
    checked = slots[len(slots) - general :] if general else ()
    bounds = [(slot.metric.minimum, slot.metric.maximum) for slot in checked]
    lows, highs = tuple(low for low, _ in bounds), tuple(high for _, high in bounds)
    newest, rows = NewestRows(device, slots), join_rows(slots)
    counters = picker(tuple(place for place, slot in enumerate(slots) if slot.metric.is_counter))
    return Shape(picker(places), tuple(slots), rows, newest, len(slots) - general, lows, highs, counters)
