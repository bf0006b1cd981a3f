"""Series values → rows in the binary format of COPY: all values of a flush in a few operations on bytes.

A row of a series is the same in every sample except for its value and its time, so it is kept as bytes with zeros in
their places. All rows have one length: byte k of every value is one slice of the joined rows.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

from core.series import SeriesMetric

COLUMNS = ("series_id", "is_counter", "value", "collected_at")
ROW = Struct(">hiiibidiq")
VALUE_AT, TIME_AT = ROW.size - 20, ROW.size - 8
EIGHT = range(8)
Pack = Callable[..., bytes]


class SeriesSlot(NamedTuple):
    """A series as the writer needs it."""

    id: int
    row: bytes  # of each of its values, with zeros for value and time
    metric: SeriesMetric
    instance: str


def make_slot(series_id: int, instance: str, metric: SeriesMetric) -> SeriesSlot:
    row = ROW.pack(len(COLUMNS), 4, series_id, 1, metric.is_counter, 8, 0.0, 8, 0)
    return SeriesSlot(series_id, row, metric, instance)


def encode_samples(samples: Sequence[tuple[bytes, bytes, int]]) -> bytes:
    """Return the rows of some samples.

    Each has the rows of its slots joined, their packed values, and its time in microseconds since 2000.
    """
    # A value assigned to a slice of a bytearray is copied once more unless it is a bytearray too.
    rows = bytearray().join([template for template, _, _ in samples])
    values = bytearray().join([packed for _, packed, _ in samples])
    times = bytearray().join([at.to_bytes(8, "big", signed=True) * (len(packed) // 8) for _, packed, at in samples])
    for byte in EIGHT:
        rows[VALUE_AT + byte :: ROW.size] = values[byte::8]
        rows[TIME_AT + byte :: ROW.size] = times[byte::8]
    return bytes(rows)


@lru_cache(512)
def packer(count: int) -> Pack:
    """Return a function that packs `count` values for encode_samples; it raises `struct.error` for a null."""
    return Struct(f">{count}d").pack


def pack_values(values: Sequence[float]) -> bytes:
    """Return values as encode_samples takes them."""
    return packer(len(values))(*values)


def join_rows(slots: Iterable[SeriesSlot]) -> bytes:
    """Return the rows of one sample, with zeros for values and times."""
    return b"".join([slot.row for slot in slots])
