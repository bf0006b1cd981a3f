"""Packs the samples of a large upload as one block, column by column, without an object for each row.

Only an upload whose samples are alike becomes a block: in the order of their times, each metric in all samples or in
none, no series and no unknown fields. Every other upload has rows. All rows of a block have the same width, so a slice
of its bytes is a slice of its samples.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain, repeat, starmap
from operator import le, lt
from struct import Struct, error
from typing import Any

from msgspec.structs import astuple

from core.metrics import LOADS, METRICS
from ingest.copy_rows import FIELDS, FORMATS, NULL, WHOLE, layout, microseconds
from ingest.counter_breaks import COUNTERS
from ingest.samples import Sample

Column = Sequence[Any]
FIELD_NAMES = Sample.__struct_fields__
SERIES = ("disks", "interfaces", "sensors", "series")


class Unlike(Exception):  # noqa: N818  no error: the upload is made of rows then
    """The samples are not alike."""


class Block:
    """Samples of one upload, packed piece by piece."""

    __slots__ = ("_layout", "_pieces", "packed", "service_places", "times", "width")

    def __init__(self) -> None:
        self._layout: BlockLayout | None = None
        self._pieces: list[bytes | bytearray] = []
        self.packed = b""  # all rows
        self.width = 0  # bytes of a row
        self.times: list[int] = []  # of the samples, in microseconds since 2000, each later than the one before
        self.service_places: list[int] = []  # of the samples that list services

    def add(self, device: bytes, received: int, columns: dict[str, Column]) -> None:
        """Pack further samples by their fields; raises Unlike."""
        if any(map(any, (columns[name] for name in SERIES))):
            raise Unlike
        times = list(map(microseconds, columns["collected_at"]))
        if not is_rising((*self.times[-1:], *times)):
            raise Unlike
        metrics = metric_columns(columns)
        layout = block_layout(tuple(map(is_there, metrics)))
        if layout is not (self._layout or layout):
            raise Unlike
        self._layout = layout
        if columns["services"].count(None) < len(times):
            self.service_places += [
                place for place, one in enumerate(columns["services"], len(self.times)) if one is not None
            ]
        self.times += times
        self._pieces.append(layout.encode(device, received, times, metrics))

    def finish(self) -> None:
        """Join the pieces."""
        assert self._layout is not None
        self.packed, self.width = b"".join(self._pieces), self._layout.width
        self._pieces.clear()

    def row(self, place: int) -> bytes:
        """Return the bytes of the sample at `place` (from 0) for COPY."""
        return self.packed[place * self.width : (place + 1) * self.width]


class BlockLayout:
    """The layout of rows with the same metrics: the bytes that all of them share are written once for each column."""

    def __init__(self, present: tuple[bool, ...]) -> None:
        zeros = chain.from_iterable((8, 0) if is_there else (NULL,) for is_there in present)
        row = layout(present).pack(FIELDS, 16, bytes(16), 8, 0, 8, 0, *zeros, NULL)
        self.width = len(row)
        self._there = present
        self._lengths = [(place, row[place : place + 1]) for place in range(self.width) if row[place]]
        values = ("4x" + kind if is_there else "4x" for kind, is_there in zip(FORMATS, present, strict=True))
        self._row = "2x4x16s4xq4xq" + "".join(values) + "4x"
        self._pack = self.packer(1)

    def packer(self, count: int) -> Callable[..., bytes]:
        """Return a function that packs `count` rows without the lengths of their values (`complete` writes those)."""
        return Struct(">" + self._row * count).pack

    def complete(self, packed: Iterable[bytes]) -> bytearray:
        """Join packed rows and write the length before each value, column by column."""
        rows = bytearray().join(packed)
        count = len(rows) // self.width
        for place, byte in self._lengths:
            rows[place :: self.width] = byte * count
        return rows

    def encode(self, device: bytes, received: int, times: Sequence[int], metrics: Sequence[Column]) -> bytearray:
        """Return rows for COPY; raises Unlike."""
        try:
            return self._join(device, received, times, metrics)
        except error:  # a float for a bigint column, or a null
            return self._join_whole(device, received, times, metrics)

    def _join_whole(
        self, device: bytes, received: int, times: Sequence[int], metrics: Sequence[Column]
    ) -> bytearray:  # fmt: skip
        try:
            return self._join(device, received, times, whole_columns(metrics))
        except (error, TypeError):  # a null
            raise Unlike from None

    def _join(self, device: bytes, received: int, times: Sequence[int], metrics: Sequence[Column]) -> bytearray:
        values = [column for column, is_there in zip(metrics, self._there, strict=True) if is_there]
        return self.complete(starmap(self._pack, zip(repeat(device), times, repeat(received), *values, strict=False)))


block_layout = lru_cache(256)(BlockLayout)


def columns_of(samples: Sequence[Sample]) -> dict[str, Column]:
    """Return the values of samples by field."""
    return dict(zip(FIELD_NAMES, zip(*map(astuple, samples), strict=True), strict=True))


def metric_columns(columns: dict[str, Column]) -> list[Column]:
    """Return the metrics' columns in the order of the catalogue; raises Unlike."""
    loads = columns["load_average"]
    try:
        by_load = zip(*loads, strict=True) if is_there(loads) else repeat(loads, len(LOADS))
    except TypeError:  # a null
        raise Unlike from None
    values = columns | dict(zip((load.name for load in LOADS), by_load, strict=True))
    return [values[metric.name] for metric in METRICS]


def is_there(column: Column) -> bool:
    """Return whether a column begins with a value; raises Unlike if it begins with a null and has values later.

    Packing finds a later null: a search here would take as long as the packing itself.
    """
    if column[0] is not None:
        return True
    if column.count(None) < len(column):
        raise Unlike
    return False


def whole_columns(metrics: Sequence[Column]) -> list[Column]:
    """Return columns with whole numbers for the bigint columns; a fraction is dropped. Raises TypeError for a null."""
    return [
        tuple(map(int, column)) if place in WHOLE and column[0] is not None else column
        for place, column in enumerate(metrics)
    ]


def is_rising(times: Sequence[int]) -> bool:
    """Return whether each time is later than the one before."""
    return all(map(lt, times, times[1:]))


def has_falls(columns: dict[str, Column]) -> bool:
    """Return whether a counter may be lower in a sample than in the one before."""
    return any(not never_falls(columns[name]) for name in COUNTERS)


def never_falls(column: Column) -> bool:
    """Return whether a column only rises, or has no values; False where it has some."""
    try:
        return is_there(column) is False or all(map(le, column, column[1:]))
    except (TypeError, Unlike):
        return False


def pieces_of(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield where each piece begins and ends."""
    for start in range(0, count, size):
        yield start, min(count, start + size)
