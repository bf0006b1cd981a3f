"""Series values → rows in the binary format of COPY: one `struct` call for all values of a sample.

What is the same in every row of a series (its id, its kind, the lengths of the fields) is kept as bytes before the
value, what is the same in every row of a sample (its time) as bytes after it.
"""

from functools import lru_cache
from itertools import chain, repeat
from struct import Struct
from typing import NamedTuple

from core.series import SeriesMetric

COLUMNS = ("series_id", "is_counter", "value", "collected_at")
PREFIX, SUFFIX = Struct(">hiiibi"), Struct(">iq")
VALUE = f"{PREFIX.size}sd{SUFFIX.size}s"


class Slot(NamedTuple):
    """A series as the writer needs it."""

    id: int
    prefix: bytes  # of each of its rows, up to the value
    metric: SeriesMetric
    instance: str


def make_slot(series_id: int, instance: str, metric: SeriesMetric) -> Slot:
    """Return the slot of a registered series."""
    prefix = PREFIX.pack(len(COLUMNS), 4, series_id, 1, metric.is_counter, 8)
    return Slot(series_id, prefix, metric, instance)


def encode_values(prefixes: list[bytes], values: list[float], collected: int) -> bytes:
    """Return the rows of one sample; `collected` is in microseconds since 2000."""
    suffix = SUFFIX.pack(8, collected)
    return rows_of(len(values)).pack(*chain.from_iterable(zip(prefixes, values, repeat(suffix), strict=False)))


@lru_cache(512)
def rows_of(count: int) -> Struct:
    """Return the layout of `count` rows."""
    return Struct(">" + VALUE * count)
