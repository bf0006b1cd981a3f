"""Writes series in the writer's transactions: registers them, copies their values, keeps the newest values.

Values share the fate of their samples: those of a duplicate sample or of a revoked token are not stored.
"""

import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from itertools import groupby
from operator import attrgetter
from uuid import UUID

import asyncpg

from db.sql import load_beside
from ingest.copy_rows import END, SIGNATURE, encode_row, microseconds
from ingest.counter_breaks import keep_breaks
from ingest.pending import Row, Upload
from ingest.series_breaks import mark_breaks
from ingest.series_columns import drop_other_disk, drop_partial_sums, fill_columns, lacks_columns
from ingest.series_newest import COLUMNS as NEWEST_COLUMNS
from ingest.series_newest import Timed, rows_with_times
from ingest.series_registry import REFUSED_SECONDS, DeviceSeries, SeriesRegistry
from ingest.series_rows import COLUMNS, encode_samples
from ingest.series_values import Flat, Flattened, NewSeries, flatten, message_of_full

QUERIES = load_beside(__file__, "series.sql")
SAMPLES_AT_ONCE = 64  # in one message: about 100 kB

MANY = 100  # samples of a flush, from which the series of new devices are registered by their first samples

MAX_OF_A_DEVICE = 200
MAX_OF_A_BUSINESS = 2_000_000

Key = tuple[UUID, datetime]


class SeriesWriter:
    """Writes series over the writer's connection; holds this process's cache of the devices' series."""

    def __init__(self, max_per_device: int = MAX_OF_A_DEVICE, max_per_business: int = MAX_OF_A_BUSINESS) -> None:
        self._most = max_per_device, max_per_business
        self._registry = SeriesRegistry()

    async def prepare(self, connection: asyncpg.Connection, rows: Sequence[Row]) -> None:
        """Read series of the devices of `rows` that are not cached, and fill missing columns of their samples."""
        bringing = [row for row in rows if row.upload.brings_series]
        if not bringing:
            return
        await self._learn(connection, {row.upload.agent_id for row in bringing})
        for row in bringing:
            if row.upload.may_lack_interfaces or row.upload.may_lack_system_disk or lacks_columns(row.sample):
                fill_row(row, partial(self._known, row.upload.agent_id))

    async def store(
        self,
        connection: asyncpg.Connection,
        rows: Sequence[Row],
        new: Collection[Key] | None,
        now: datetime,
    ) -> Flattened | None:
        """Store the values of `rows` whose samples are `new` (None: all), inside the transaction.

        Returns the notes for the receipts after COMMIT.
        """
        bringing = stored_once([row for row in rows if row.upload.brings_series], new)
        if not bringing:
            return None
        if len(bringing) > MANY:
            await self._register_first(connection, bringing, now)
        flattened = self._flatten(bringing)
        if flattened.wanted:
            await self._register(connection, flattened, now)
            flattened = self._flatten(bringing)
            self._refuse(flattened, bringing)
        flats = sorted((flat for flat in flattened.flats if flat.values), key=attrgetter("at"))
        stored = await mark_breaks(connection, flats)
        if new is None:
            await copy_values(connection, "agent_series_samples", stored)
        else:
            await connection.execute(QUERIES["create_incoming"])
            await copy_values(connection, "agent_series_incoming", stored)
            await connection.execute(QUERIES["merge_incoming"])
        await write_newest(connection, flats)
        return flattened

    def forget(self, uploads: Iterable[Upload]) -> None:
        """Drop the cached devices of a transaction that did not commit: series that it registered do not exist."""
        self._registry.forget({upload.agent_id for upload in uploads if upload.brings_series})

    async def _learn(self, connection: asyncpg.Connection, devices: Collection[UUID]) -> None:
        self._registry.trim()
        unknown = self._registry.unknown(devices)
        if unknown:
            self._registry.learn(unknown, await connection.fetch(*QUERIES.bind("read_series", devices=unknown)))
            self._registry.learn_uptimes(await connection.fetch(*QUERIES.bind("read_uptimes", devices=unknown)))

    def _series_of(self, device: UUID) -> DeviceSeries:
        return self._registry.held(device)  # prepare() has read it

    def _known(self, device: UUID, metric: str) -> set[str]:
        return {instance for name, instance in self._series_of(device).slots if name == metric}

    def _flatten(self, rows: Iterable[Row]) -> Flattened:
        flattened = Flattened()
        for upload, upload_rows in groupby(rows, key=attrgetter("upload")):
            series = self._series_of(upload.agent_id)
            for row in upload_rows:
                flatten(row, series, flattened)
        return flattened

    async def _register_first(self, connection: asyncpg.Connection, rows: Iterable[Row], now: datetime) -> None:
        """Register the series in the first sample of each new device: all others usually have the same ones."""
        first_of: dict[UUID, Row] = {}
        for row in rows:
            first_of.setdefault(row.upload.agent_id, row)
        flattened = self._flatten(row for device, row in first_of.items() if not self._series_of(device).slots)
        if flattened.wanted:
            await self._register(connection, flattened, now)

    async def _register(self, connection: asyncpg.Connection, flattened: Flattened, now: datetime) -> None:
        new_series = list(flattened.wanted.values())
        devices, metrics = [one.device_id for one in new_series], [one.metric.name for one in new_series]
        units, kinds = [one.metric.unit for one in new_series], [one.metric.is_counter for one in new_series]
        await connection.fetch(*QUERIES.bind("lock_counts", devices=devices))
        await connection.execute(
            *QUERIES.bind("define_custom", devices=devices, metrics=metrics, units=units, kinds=kinds, now=now)
        )
        rows = await connection.fetch(
            *QUERIES.bind(
                "register_series",
                devices=devices,
                metrics=metrics,
                instances=[one.instance for one in new_series],
                units=units,
                kinds=kinds,
                now=now,
                max_of_device=self._most[0],
                max_of_business=self._most[1],
            )
        )
        self._registry.registered(rows)

    def _refuse(self, flattened: Flattened, rows: Sequence[Row]) -> None:
        """Note the series beyond the limit; their devices register no new series for REFUSED_SECONDS."""
        if not flattened.wanted:
            return
        until = time.monotonic() + REFUSED_SECONDS
        refused: dict[UUID, list[NewSeries]] = {}
        for one in flattened.wanted.values():
            refused.setdefault(one.device_id, []).append(one)
        for device in refused:
            self._series_of(device).full_until = until
        for row in rows:
            for one in refused.get(row.upload.agent_id, ()):
                flattened.fault(row, "too_many_series", message_of_full(one.metric.name, one.instance))


def fill_row(row: Row, known: Callable[[str], Collection[str]]) -> None:
    """Fill the columns of a sample from its lists, and make its row again.

    `known` returns the instances of a metric that the device has had lately.
    """
    upload, known_interfaces = row.upload, known("network.rx_bytes")
    if upload.may_lack_interfaces:
        drop_partial_sums(row.sample, known_interfaces)
    if upload.may_lack_system_disk:
        drop_other_disk(row.sample, known("disk.percent"))
    fill_columns(row.sample, known_interfaces, is_part=upload.merges)
    stored = keep_breaks(row.sample, row.broken)
    row.encoded = encode_row(upload.agent_id.bytes, microseconds(upload.received_at), stored, row.unknown)


def stored_once(rows: Iterable[Row], new: Collection[Key] | None) -> list[Row]:
    """Return the rows whose samples are stored by this transaction, each key once."""
    if new is None:
        return list(rows)
    unique: dict[Key, Row] = {}
    for row in rows:
        key = row.upload.agent_id, row.collected_at
        if key in new:
            unique.setdefault(key, row)
    return list(unique.values())


async def copy_values(connection: asyncpg.Connection, table: str, flats: Sequence[Flat]) -> None:
    """Binary COPY of samples that are in the order of time."""
    if flats:
        await connection.copy_to_table(table, columns=COLUMNS, source=copy_data(flats), format="binary")


async def copy_data(flats: Sequence[Flat]) -> AsyncIterator[bytes]:
    """Yield what COPY reads, in pieces of bounded size."""
    yield SIGNATURE
    for start in range(0, len(flats), SAMPLES_AT_ONCE):
        piece = flats[start : start + SAMPLES_AT_ONCE]
        yield encode_samples([(flat.rows, flat.packed, flat.at) for flat in piece])
    yield END


async def write_newest(connection: asyncpg.Connection, flats: Sequence[Flat]) -> None:
    """Write the newest value of each series that the flush brings, by samples in the order of time."""
    if not flats:
        return
    await connection.execute(QUERIES["create_newest_incoming"])
    await connection.copy_to_table(
        "agent_series_newest_incoming", columns=NEWEST_COLUMNS, source=newest_data(flats), format="binary"
    )
    await connection.execute(QUERIES["write_newest"])


async def newest_data(flats: Sequence[Flat]) -> AsyncIterator[bytes]:
    """Yield the rows of the newest values, device by device."""
    newest = {flat.series: flat for flat in flats}  # the last one of each is its newest
    mixed: dict[DeviceSeries, list[Flat]] = {
        flat.series: [] for flat in flats if flat.shape is None or flat.shape is not newest[flat.series].shape
    }
    for flat in flats if mixed else ():
        if flat.series in mixed:
            mixed[flat.series].append(flat)
    alike = [
        flat.shape.newest.rows_of(flat.values, flat.at)
        for flat in newest.values()
        if flat.shape and flat.series not in mixed
    ]
    yield b"".join((SIGNATURE, *alike, *map(newest_rows, mixed.values()), END))


def newest_rows(flats: Sequence[Flat]) -> bytes:
    """Return the rows of one device by its samples of several shapes, in the order of time."""
    newest: dict[int, Timed] = {}
    for flat in reversed(flats):
        for slot, value in zip(flat.slots, flat.values, strict=True):
            newest.setdefault(slot.id, (slot, value, flat.at))
    return rows_with_times(flats[-1].row.upload.agent_id.bytes, newest.values())
