"""Samples → rows in PostgreSQL's binary COPY format.

The format: a header, then for each row a 16-bit field count and each field as a 32-bit length (-1 for null) and its
bytes, then -1 (PostgreSQL's documentation, COPY, "Binary Format"). Own code because this is the hot path: asyncpg's
copy_records_to_table asks for the column types at each call and encodes field by field (ARCHITECTURE.md has figures).
"""

import struct
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from db.metrics import METRICS
from ingest.samples import Sample

COLUMNS = (
    "agent_device_id",
    "collected_at",
    "received_at",
    *(metric.name for metric in METRICS),
    "raw_metrics",
)
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = struct.pack("!h", -1)
NULL = struct.pack("!i", -1)
POSTGRES_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)  # timestamptz counts microseconds from here
MICROSECOND = timedelta(microseconds=1)
JSONB_VERSION = b"\x01"

_start = struct.Struct("!h i16s iq iq").pack  # field count, uuid, two times
_double = struct.Struct("!id").pack
_bigint = struct.Struct("!iq").pack
_length = struct.Struct("!i").pack


def postgres_microseconds(time: datetime) -> int:
    """Return an aware time as PostgreSQL stores it."""
    return (time - POSTGRES_EPOCH) // MICROSECOND


def encode_row(agent_id: UUID, received_at: datetime, sample: Sample, unknown: bytes | None) -> bytes:
    """Encode one sample; `unknown` is the JSON for raw_metrics. Null stays null, 0 stays 0."""
    load_1m, load_5m, load_15m = sample.load_average or (None, None, None)
    doubles = (
        sample.cpu_percent, sample.memory_used_gb, sample.memory_percent, sample.disk_used_gb, sample.disk_percent,
        load_1m, load_5m, load_15m,
    )  # fmt: skip
    bigints = (sample.uptime_seconds, sample.network_rx_bytes, sample.network_tx_bytes)
    times = 8, postgres_microseconds(sample.collected_at), 8, postgres_microseconds(received_at)
    parts = [_start(len(COLUMNS), 16, agent_id.bytes, *times)]
    parts += [NULL if value is None else _double(8, value) for value in doubles]
    parts += [NULL if value is None else _bigint(8, int(value)) for value in bigints]
    parts.append(NULL if unknown is None else _length(1 + len(unknown)) + JSONB_VERSION + unknown)
    return b"".join(parts)


def copy_stream(rows: Iterable[bytes]) -> bytes:
    """Return the whole COPY input for encoded `rows`."""
    return b"".join((HEADER, *rows, TRAILER))
