"""The newest values of a device's series as rows for COPY: one row for each metric, its instances in arrays.

Everything but values and times is the same for all samples with the same series, so one `struct` call makes all rows.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate, groupby, pairwise
from struct import Struct

from ingest.series_picker import picker
from ingest.series_rows import Slot

COLUMNS = (
    "agent_device_id", "metric", "is_counter", "series_ids", "collected_at", "highest", "series_values", "series_times",
)  # fmt: skip
INT4, FLOAT8, TIMESTAMPTZ = 23, 701, 1184  # types of array elements
HEAD = Struct(">hi16si")
ARRAY = Struct(">iiiiii")  # length in bytes, dimensions, whether there are nulls, type, elements, first index
EIGHT = b"\0\0\0\x08"  # the length of a value or a time


class NewestRows:
    """Makes the rows of one device for samples with the same series."""

    __slots__ = ("_fill", "_groups", "_order", "_pack", "_parts")

    def __init__(self, device: bytes, slots: Sequence[Slot]) -> None:
        """`device`: its id as 16 bytes."""
        order = sorted(range(len(slots)), key=lambda place: (slots[place].metric.name, slots[place].id))
        in_order = [slots[place] for place in order]
        groups = [list(same) for _, same in groupby(in_order, key=lambda slot: slot.metric.name)]
        ends = list(accumulate(len(group) for group in groups))
        constants = [one for group in groups for one in constants_of(device, group)]
        kinds = "".join("qd" + "d" * len(group) + "q" * len(group) for group in groups)
        self._order = picker(tuple(order))
        self._groups = list(pairwise([0, *ends]))  # where the values of each metric begin and end in this order
        self._fill = picker(tuple(fill_places(self._groups, len(slots))))
        layout = "".join(f"{len(one)}s{kind}" for one, kind in zip(constants, kinds, strict=True))
        self._pack = layout_of(layout).pack
        self._parts: list[bytes | float] = [part for one in constants for part in (one, 0)]

    def rows_of(self, values: Sequence[float], at: int) -> bytes:
        """Return the rows for the values of one sample; `at` is its time in microseconds since 2000."""
        return self._rows(self._order(values), [at] * len(values), [at] * len(self._groups))

    def rows_of_several(self, values: Sequence[float], times: Sequence[int]) -> bytes:
        """Return the rows for values of several samples, each with its own time."""
        ordered = self._order(times)
        return self._rows(self._order(values), ordered, [max(ordered[start:stop]) for start, stop in self._groups])

    def _rows(self, values: Sequence[float], times: Sequence[int], newest: Sequence[int]) -> bytes:
        highest = [max(values[start:stop]) for start, stop in self._groups]
        parts = self._parts.copy()
        parts[1::2] = self._fill((*values, *times, *highest, *newest))
        return self._pack(*parts)


def fill_places(groups: Sequence[tuple[int, int]], count: int) -> Iterator[int]:
    """Yield where each field that changes is found in: values, their times, highest values, newest times."""
    for number, (start, stop) in enumerate(groups):
        highest = 2 * count + number
        yield from (highest + len(groups), highest, *range(start, stop), *range(count + start, count + stop))


@lru_cache(4096)
def layout_of(fields: str) -> Struct:
    """Return a layout; it takes more memory than what it lays out, and devices with the same lists share it."""
    return Struct(">" + fields)


def constants_of(device: bytes, group: Sequence[Slot]) -> list[bytes]:
    """Return the bytes before each value and time of a row: its time, the highest value, all values, their times."""
    metric, ids = group[0].metric, [slot.id for slot in group]
    name = metric.name.encode()
    head = HEAD.pack(len(COLUMNS), 16, device, len(name)) + name + b"\0\0\0\x01" + bytes([metric.is_counter])
    ids_array = array_head(INT4, 4, len(ids)) + b"".join(b"\0\0\0\x04" + one.to_bytes(4, "big") for one in ids)
    rest = [EIGHT] * (len(ids) - 1)
    values, times = array_head(FLOAT8, 8, len(ids)) + EIGHT, array_head(TIMESTAMPTZ, 8, len(ids)) + EIGHT
    return [head + ids_array + EIGHT, EIGHT, values, *rest, times, *rest]


def array_head(element_type: int, size: int, count: int) -> bytes:
    """Return what stands before the elements of an array of one dimension without nulls."""
    return ARRAY.pack(ARRAY.size - 4 + count * (4 + size), 1, 0, element_type, count, 1)
