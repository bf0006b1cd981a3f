"""Samples → rows in the binary format of COPY, in the order of the hypertable's columns.

A row is packed by one `struct` call, in the request that brings it, so that a flush only joins bytes (ARCHITECTURE.md
has the figures). The format is that of PostgreSQL's documentation of COPY, "Binary Format": each field has its length
before it, -1 for null; a timestamptz is microseconds since 2000; a jsonb has its version before its text.
"""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import Any
from uuid import UUID

from core.metrics import METRICS
from ingest.samples import Sample

COLUMNS = ("agent_device_id", "collected_at", "received_at", *(metric.name for metric in METRICS), "raw_metrics")
FIELDS = len(COLUMNS)
FORMATS = tuple("q" if metric.whole else "d" for metric in METRICS)
NO_LOAD = (None, None, None)
# A sample's metrics in the order of METRICS, the loads in one, and its time; read in one call.
VALUES = attrgetter(
    "cpu_percent", "memory_used_gb", "memory_percent", "disk_used_gb", "disk_percent", "load_average",
    "uptime_seconds", "network_rx_bytes", "network_tx_bytes", "collected_at",
)  # fmt: skip

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


def encode_row(device: bytes, received: int, sample: Sample, unknown: bytes | None) -> bytes:
    """Return one row."""
    a, b, c, d, e, load, i, j, k, collected_at = VALUES(sample)
    f, g, h = load or NO_LOAD
    if type(i) is float or type(j) is float or type(k) is float:
        i, j, k = whole(i), whole(j), whole(k)
    collected = microseconds(collected_at)
    length = NULL if unknown is None else len(unknown) + len(JSONB_VERSION)
    values = (a, b, c, d, e, f, g, h, i, j, k)
    if None in values:
        there = tuple(value is not None for value in values)
        fields: list[Any] = [part for value in values for part in ((NULL,) if value is None else (8, value))]
        row = layout(there).pack(FIELDS, 16, device, 8, collected, 8, received, *fields, length)
    else:
        row = PACK_ALL(
            FIELDS, 16, device, 8, collected, 8, received,
            8, a, 8, b, 8, c, 8, d, 8, e, 8, f, 8, g, 8, h, 8, i, 8, j, 8, k, length,
        )  # fmt: skip
    return row if unknown is None else row + JSONB_VERSION + unknown


def microseconds(at: datetime) -> int:
    """Return a time as PostgreSQL counts it: by its parts, which is faster than a division of times."""
    since = at - EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@lru_cache(1024)
def layout(there: tuple[bool, ...]) -> Struct:
    """Return the layout of a row up to the length of its last field, by which values are not null."""
    fields = ("i" + kind if is_there else "i" for kind, is_there in zip(FORMATS, there, strict=True))
    return Struct(">h" + "i16s" + "iq" + "iq" + "".join(fields) + "i")


PACK_ALL = layout((True,) * len(METRICS)).pack


def whole(value: float | None) -> int | None:
    """Return a whole number for a bigint column; a fraction is dropped."""
    return None if value is None else int(value)


async def copy_data(rows: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yield what COPY … FROM STDIN (FORMAT binary) wants to read, in pieces of bounded size: one for a usual flush.

    The driver waits for the socket before each piece, which costs as much as to encode some dozens of rows.
    """
    last = max(0, len(rows) - 1) // ROWS_AT_ONCE
    for number in range(last + 1):
        piece = rows[number * ROWS_AT_ONCE : (number + 1) * ROWS_AT_ONCE]
        yield b"".join((*(() if number else (SIGNATURE,)), *piece, *(() if number < last else (END,))))
