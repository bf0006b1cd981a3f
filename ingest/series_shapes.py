"""The shape of a sample: which disks, interfaces, sensors and series it has, and which of their values.

Most samples of a device have the same shape, so the series of its values and their encoding are found once for each
shape. A sample of a cached shape costs a few operations on whole lists instead of several for each value.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import le

from msgspec.structs import astuple

from ingest.samples import Sample
from ingest.series_newest import NewestRows
from ingest.series_picker import Picker, picker
from ingest.series_rows import Pack, SeriesSlot, join_rows, packer
from ingest.series_types import TEXTS_OF_ENTRIES

MAX_SHAPES = 8  # of one device

# How many entries each list has; with texts and null places compared, this is a shape.
ShapeKey = tuple[int, ...]
Fields = list[str | float | None]


@dataclass(slots=True, eq=False)
class SampleShape:
    """The series and slots of the samples of one shape on one device."""

    pick_constants: Picker  # all fields of a sample → names, types, units and kinds, and the null fields
    constants: tuple[str | float | None, ...]
    pick: Picker  # all fields of a sample → the values that are not null
    pack: Pack  # these values → bytes for COPY
    slots: tuple[SeriesSlot, ...]
    rows: bytes  # for COPY, with zeros for values and times
    newest: NewestRows
    general: int  # where the values of the general list begin, whose bounds the decoder doesn't check
    lows: tuple[float, ...]
    highs: tuple[float, ...]
    counters: Picker  # stored values → those of counters

    def values_of(self, fields: Fields) -> tuple[tuple[float, ...], bytes] | None:
        """Return the values to store, also as bytes; None when texts or nulls are others, or one is out of bounds."""
        if self.pick_constants(fields) != self.constants:
            return None
        picked = self.pick(fields)
        try:
            packed = self.pack(*picked)
        except struct.error:  # one is null
            return None
        if self.lows:
            checked = picked[self.general :]
            if not (all(map(le, self.lows, checked)) and all(map(le, checked, self.highs))):
                return None
        return picked, packed


def read_fields(sample: Sample) -> tuple[ShapeKey, Fields]:
    """Return the key of a sample's shape, and all fields of all entries in the order of the lists, nulls among them."""
    lists = sample.disks or (), sample.interfaces or (), sample.sensors or (), sample.series or ()
    fields: Fields = list(chain.from_iterable(map(astuple, chain.from_iterable(lists))))
    disks, interfaces, sensors, series = lists
    return (len(disks), len(interfaces), len(sensors), len(series)), fields


def make_shape(device: bytes, slots: Sequence[SeriesSlot], key: ShapeKey, fields: Fields) -> SampleShape:
    """Return the shape of a sample whose values that are not null go to `slots`."""
    is_text = [text for texts, count in zip(TEXTS_OF_ENTRIES, key, strict=True) for text in texts * count]
    is_value = [not text and field is not None for text, field in zip(is_text, fields, strict=True)]
    pick_constants = picker(tuple(place for place, value in enumerate(is_value) if not value))
    places = tuple(place for place, value in enumerate(is_value) if value)
    general = key[-1]
    checked = slots[len(slots) - general :] if general else ()
    bounds = [(slot.metric.minimum, slot.metric.maximum) for slot in checked]
    lows, highs = tuple(low for low, _ in bounds), tuple(high for _, high in bounds)
    newest, rows = NewestRows(device, slots), join_rows(slots)
    counters = picker(tuple(place for place, slot in enumerate(slots) if slot.metric.is_counter))
    return SampleShape(
        pick_constants, pick_constants(fields), picker(places), packer(len(places)), tuple(slots), rows, newest,
        len(slots) - general, lows, highs, counters,
    )  # fmt: skip
