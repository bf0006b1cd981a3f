"""Makes rows for COPY from the newest values of a device's series: one row for each metric, its instances in arrays.

Most devices send all their series in each sample. Then only the values and the time differ between samples, so one
`struct` call makes all rows (`NewestRows`), and the times of single values are omitted.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from struct import Struct

from ingest.series_picker import picker
from ingest.series_rows import SeriesSlot, pack_values

COLUMNS = (
    "agent_device_id", "metric", "is_counter", "series_ids", "series_times", "collected_at", "highest", "series_values",
)  # fmt: skip
INT4, FLOAT8, TIMESTAMPTZ = 23, 701, 1184  # types of array elements
HEAD = Struct(">hi16si")
ARRAY = Struct(">iiiiii")  # length in bytes, dimensions, whether there are nulls, type, elements, first index
EIGHT = b"\0\0\0\x08"  # the length of a value or a time
NULL = b"\xff\xff\xff\xff"
Timed = tuple[SeriesSlot, float, int]  # a value and its time


class NewestRows:
    """Makes the rows of one device for samples with the same series."""

    __slots__ = ("_fill", "_groups", "_order", "_pack", "_parts")

    def __init__(self, device: bytes, slots: Sequence[SeriesSlot]) -> None:
        """`device`: its id as 16 bytes."""
        order = sorted(range(len(slots)), key=lambda place: (slots[place].metric.name, slots[place].id))
        groups = list(by_metric(slots[place] for place in order))
        ends = list(accumulate(len(group) for group in groups))
        constants = [one for group in groups for one in make_constants(device, group)]
        kinds = "".join("qd" + "d" * len(group) for group in groups)
        self._order = picker(tuple(order))
        self._groups = list(pairwise([0, *ends]))  # where the values of each metric begin and end in this order
        self._fill = picker(tuple(fill_places(self._groups, len(slots))))
        self._pack = make_layout("".join(f"{len(one)}s{kind}" for one, kind in zip(constants, kinds, strict=True))).pack
        self._parts: list[bytes | float] = [part for one in constants for part in (one, 0)]

    def rows_of(self, values: Sequence[float], at: int) -> bytes:
        """Return the rows for the values of one sample; `at` is its time in microseconds since 2000."""
        ordered = self._order(values)
        highest = [max(ordered[start:stop]) for start, stop in self._groups]
        parts = self._parts.copy()
        parts[1::2] = self._fill((*ordered, *highest, at))
        return self._pack(*parts)


def fill_places(groups: Sequence[tuple[int, int]], count: int) -> Iterator[int]:
    """Yield the index of each changing field in this list: the `count` values, each metric's maximum, the time."""
    for number, (start, stop) in enumerate(groups, count):
        yield from (count + len(groups), number, *range(start, stop))


@lru_cache(4096)
def make_layout(fields: str) -> Struct:
    """Return a layout; devices with the same lists share it, because it takes more memory than a row."""
    return Struct(">" + fields)


def by_metric(slots: Iterable[SeriesSlot]) -> Iterator[list[SeriesSlot]]:
    """Yield the series of each metric from series in the order of metrics."""
    return (list(same) for _, same in groupby(slots, key=lambda slot: slot.metric.name))


def make_constants(device: bytes, group: Sequence[SeriesSlot]) -> list[bytes]:
    """Return the bytes before each value and time of a row: its time, the highest value, all values."""
    values = array_head(FLOAT8, 8, len(group)) + EIGHT
    return [make_head(device, group) + NULL + EIGHT, EIGHT, values, *[EIGHT] * (len(group) - 1)]


def make_head(device: bytes, group: Sequence[SeriesSlot]) -> bytes:
    """Return the fields of a row before its times: device, metric, kind and series."""
    metric, ids = group[0].metric, [slot.id for slot in group]
    name = metric.name.encode()
    head = HEAD.pack(len(COLUMNS), 16, device, len(name)) + name + b"\0\0\0\x01" + bytes([metric.is_counter])
    return head + array_head(INT4, 4, len(ids)) + b"".join(b"\0\0\0\x04" + one.to_bytes(4, "big") for one in ids)


def array_head(element_type: int, size: int, count: int) -> bytes:
    """Return the header of a one-dimensional array without nulls in PostgreSQL's binary format."""
    return ARRAY.pack(ARRAY.size - 4 + count * (4 + size), 1, 0, element_type, count, 1)


def rows_with_times(device: bytes, values: Iterable[Timed]) -> bytes:
    """Return the rows of a device whose values are of several samples."""
    in_order = sorted(values, key=lambda one: (one[0].metric.name, one[0].id))
    metrics = groupby(in_order, key=lambda one: one[0].metric.name)
    return b"".join(row_with_times(device, list(same)) for _, same in metrics)


def row_with_times(device: bytes, timed: Sequence[Timed]) -> bytes:
    """Return the row of one metric; its time is that of its newest value."""
    slots, values, times = zip(*timed, strict=True)
    newest = EIGHT + pack_times([max(times)]) + EIGHT + pack_values([max(values)])
    head = make_head(device, slots) + make_array(TIMESTAMPTZ, pack_times(times))
    return head + newest + make_array(FLOAT8, pack_values(values))


def make_array(element_type: int, packed: bytes) -> bytes:
    """Return an array of elements of eight bytes."""
    elements = [packed[start : start + 8] for start in range(0, len(packed), 8)]
    return array_head(element_type, 8, len(elements)) + b"".join(EIGHT + one for one in elements)


def pack_times(times: Sequence[int]) -> bytes:
    """Return times in microseconds since 2000 as COPY takes them."""
    return b"".join(at.to_bytes(8, "big", signed=True) for at in times)
