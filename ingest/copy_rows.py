"""Samples → rows in the binary format of COPY, in the order of the hypertable's columns.

One `struct` call packs a row, in the request that brings it, so that a flush only joins bytes (decision 0018 has the
figures). The format is that of PostgreSQL's documentation of COPY, "Binary Format": each field has its length
before it, -1 for null; a timestamptz is microseconds since 2000; a jsonb has its version before its text.
"""

import struct
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import Any
from uuid import UUID

from core.metrics import LOADS, METRICS
from ingest.samples import Sample

COLUMNS = ("agent_device_id", "collected_at", "received_at", *(metric.name for metric in METRICS), "raw_metrics")
FIELDS = len(COLUMNS)
FORMATS = tuple("q" if metric.whole else "d" for metric in METRICS)
NO_LOAD = (None, None, None)
# A sample's metrics in the order of the catalogue: those before the loads, those after.
FIRST_LOAD = METRICS.index(LOADS[0])
READ_BEFORE = attrgetter(*(metric.name for metric in METRICS[:FIRST_LOAD]))
READ_AFTER = attrgetter(*(metric.name for metric in METRICS[FIRST_LOAD + len(LOADS) :]))
WHOLE = tuple(place for place, metric in enumerate(METRICS) if metric.whole)

SIGNATURE = b"PGCOPY\n\xff\r\n\0" + bytes(8)  # neither flags nor an extension of the header
END = b"\xff\xff"
NULL = -1
JSONB_VERSION = b"\x01"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
ROWS_AT_ONCE = 4096  # in one message


def encode_rows(
    agent_id: UUID, received_at: datetime, samples: Iterable[Sample], unknown: Iterable[bytes | None]
) -> list[bytes]:
    """Return an agent's samples as rows of COLUMNS; `unknown` is the JSON of each for raw_metrics.

    Null stays null, 0 stays 0.
    """
    device, received = agent_id.bytes, microseconds(received_at)
    return [encode_row(device, received, *each) for each in zip(samples, unknown, strict=True)]


def metric_values(sample: Sample) -> tuple[Any, ...]:
    """Return a sample's metrics in the order of the catalogue."""
    before: tuple[Any, ...] = READ_BEFORE(sample)
    after: tuple[Any, ...] = READ_AFTER(sample)
    return before + (sample.load_average or NO_LOAD) + after


def encode_row(device: bytes, received: int, sample: Sample, unknown: bytes | None) -> bytes:
    values = metric_values(sample)
    collected = microseconds(sample.collected_at)
    length = NULL if unknown is None else len(unknown) + len(JSONB_VERSION)
    if None in values:
        row = encode_nulls(device, collected, received, values, length)
    else:
        fields = ROW.copy()
        fields[VALUES_OF_ROW] = (device, collected, received, *values)
        fields[-1] = length
        try:
            row = PACK_ALL(*fields)
        except struct.error:  # a float for a bigint column
            fields[VALUES_OF_ROW] = (device, collected, received, *whole_numbers(values))
            row = PACK_ALL(*fields)
    return row if unknown is None else row + JSONB_VERSION + unknown


def encode_nulls(device: bytes, collected: int, received: int, values: Sequence[Any], length: int) -> bytes:
    """Return a row that has nulls, up to the length of its last field."""
    values = whole_numbers(values)
    is_present = tuple(value is not None for value in values)
    fields = [part for value in values for part in ((NULL,) if value is None else (8, value))]
    return layout(is_present).pack(FIELDS, 16, device, 8, collected, 8, received, *fields, length)


def whole_numbers(values: Sequence[Any]) -> list[Any]:
    """Return values with whole numbers for the bigint columns; a fraction is dropped."""
    whole = list(values)
    for place in WHOLE:
        if type(whole[place]) is float:
            whole[place] = int(whole[place])
    return whole


def microseconds(at: datetime) -> int:
    """Return a time as PostgreSQL counts it: by its parts, which is faster than a division of times."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@lru_cache(1024)
def layout(is_present: tuple[bool, ...]) -> Struct:
    """Return the layout of a row up to the length of its last field, by which values are not null."""
    fields = ("i" + kind if is_there else "i" for kind, is_there in zip(FORMATS, is_present, strict=True))
    return Struct(">h" + "i16s" + "iq" + "iq" + "".join(fields) + "i")


PACK_ALL = layout((True,) * len(METRICS)).pack
# A row without nulls: the number of fields, then each field after its length, up to the length of the last one.
ROW: list[Any] = [FIELDS, 16, None, 8, None, 8, None, *[8, None] * len(METRICS), None]
VALUES_OF_ROW = slice(2, -1, 2)


async def copy_data(rows: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yield the data for COPY … FROM STDIN (FORMAT binary), in pieces of bounded size: one for a usual flush.

    The driver waits for the socket before each piece, which costs as much as to encode some dozens of rows.
    """
    last = max(0, len(rows) - 1) // ROWS_AT_ONCE
    for number in range(last + 1):
        piece = rows[number * ROWS_AT_ONCE : (number + 1) * ROWS_AT_ONCE]
        yield b"".join((*(() if number else (SIGNATURE,)), *piece, *(() if number < last else (END,))))
