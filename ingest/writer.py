"""The writer: commits the rows of a group of uploads and sets the outcome of each upload.

Writes degrade in steps:
1. Binary COPY directly into the hypertable: the normal case.
2. After a duplicate key, the batch is copied into a temporary table and inserted with ON CONFLICT DO NOTHING.
3. If the database refuses a value, each upload of the batch is written alone, so that only the faulty one fails.
4. If the database is unavailable, every upload of the batch fails, and its agent sends it again.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial
from uuid import UUID

import asyncpg

from core.clock import Clock, utc_now
from core.errors import RevokedTokenError
from db.pools import CONNECTION_ERRORS, DatabaseUnavailableError
from db.sql import load_beside
from db.transactions import ATTEMPTS, TRY_AGAIN
from ingest.counters import IngestCounters
from ingest.device_updates import BOOT_TOLERANCE, DeviceUpdate, collect_device_updates, touch_devices
from ingest.errors import UnstorableUploadError
from ingest.facts import FactsCache, ReportedFacts, change_facts
from ingest.pending import Row, Upload
from ingest.row_stores import (
    Key,
    copy_around_duplicates,
    copy_parts,
    copy_run,
    copy_straight,
    key_of,
    record_rows,
    record_run,
)
from ingest.samples import Note
from ingest.series_values import Flattened
from ingest.series_writer import SeriesWriter
from ingest.service_updates import service_parameters
from ingest.transaction_groups import (
    Part,
    blocks_and_rows,
    rows_in_order,
    rows_of,
    split_blocks,
    split_lanes,
)

QUERIES = load_beside(__file__)
log = logging.getLogger(__name__)

Connect = Callable[[], Awaitable[asyncpg.Connection]]
# Stores rows and returns the keys of those that are new, None when all are.
Store = Callable[[asyncpg.Connection, Sequence[Row]], Awaitable[set[Key] | None]]
Record = Callable[[Sequence[Row], set[Key] | None], None]  # counts the stored rows, by the keys of new ones

# Samples in one transaction. PostgreSQL's log is flushed up to a COMMIT at once: a small COMMIT that comes meanwhile
# waits for all of it, for 0.5 s behind 20,000 samples on a slow disk.
MAX_AT_ONCE, MAX_BESIDE_OTHERS = 20_000, 2_000
REFUSED = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)


class Writer:
    """Writes over one connection, which it opens when needed and again after a failure."""

    def __init__(
        self,
        connect: Connect,
        clock: Clock = utc_now,
        token_overlap: timedelta = timedelta(hours=1),
        tally: IngestCounters | None = None,
        series: SeriesWriter | None = None,
        max_services: int = 1000,
        others_wait: Callable[[], bool] = lambda: False,
    ) -> None:
        """`token_overlap`: how long a replaced token stays valid after the first use of the new one.

        `max_services`: number of services stored per device. `others_wait` returns whether small uploads arrive, which
        another connection may write: transactions are short then.
        """
        self._others_wait = others_wait
        self._max_services = max_services
        self._connect = connect
        self._tally = tally or IngestCounters()
        self._series = series or SeriesWriter()
        self._facts = FactsCache()
        self._token_overlap = token_overlap
        self._clock = clock
        self._connection: asyncpg.Connection | None = None

    async def write(self, uploads: Sequence[Upload]) -> None:
        """Commit the rows of `uploads`; afterwards each has `inserted` counted or `error` set. Never raises."""
        most = MAX_BESIDE_OTHERS if self._others_wait() else MAX_AT_ONCE
        blocks, plain = blocks_and_rows(uploads)
        for run in split_blocks(blocks, most):
            await self._write_run(run, uploads)
        rows = [row for upload in plain if not upload.merges for row in rows_of(upload)]
        for lane in split_lanes(rows, self._clock(), most):
            await self._write_batch(uploads_of(lane), lane)
        parts = [row for upload in uploads if upload.merges for row in upload.rows]
        for lane in split_lanes(parts, self._clock(), most):
            await self._write_parts(uploads_of(lane), lane)
        without_rows = [upload for upload in uploads if not upload.count]
        if without_rows:
            await self._write_batch(without_rows, [])

    async def close(self) -> None:
        """Close the connection; a later `write` opens another one."""
        if self._connection:
            await self._connection.close()

    async def _write_batch(self, uploads: Sequence[Upload], rows: Sequence[Row]) -> None:
        await self._write_new(self._commit(uploads, rows, copy_straight), uploads, lambda: rows)

    async def _write_run(self, run: Sequence[Part], group: Sequence[Upload]) -> None:
        """Write the samples of blocks; if some are not new or are refused, write them as rows."""
        uploads = list(dict.fromkeys(part.upload for part in run))
        device_rows = [row for part in run for row in part.device_rows()]
        commit = self._commit(uploads, device_rows, partial(copy_run, run), partial(record_run, run))
        await self._write_new(commit, uploads, lambda: rows_in_order(run, group))

    async def _write_new(
        self, commit: Awaitable[None], uploads: Sequence[Upload], rows: Callable[[], Sequence[Row]]
    ) -> None:
        """Await a commit of samples that are expected to be new; `rows` returns all of them for the next step."""
        try:
            await commit
        except asyncpg.UniqueViolationError:
            await self._write_around_duplicates(uploads, rows())
        except REFUSED as refusal:
            await self._write_one_by_one(uploads, rows(), refusal)
        except Exception as error:  # noqa: BLE001
            self._fail(uploads, error)

    async def _write_around_duplicates(self, uploads: Sequence[Upload], rows: Sequence[Row]) -> None:
        self._tally.around_duplicates += 1
        try:
            await self._commit(uploads, rows, copy_around_duplicates)
        except REFUSED as refusal:
            await self._write_one_by_one(uploads, rows, refusal)
        except Exception as error:  # noqa: BLE001
            self._fail(uploads, error)

    async def _write_parts(self, uploads: Sequence[Upload], rows: Sequence[Row]) -> None:
        """Write parts of rows, separately from whole samples, which are usually new and need no temporary table."""
        try:
            await self._commit(uploads, rows, copy_parts)
        except REFUSED as refusal:
            await self._write_one_by_one(uploads, rows, refusal)
        except Exception as error:  # noqa: BLE001
            self._fail(uploads, error)

    async def _write_one_by_one(self, uploads: Sequence[Upload], rows: Sequence[Row], refusal: Exception) -> None:
        if len(uploads) == 1:
            log.warning("upload of agent %s refused by the database: %s", uploads[0].agent_id, refusal)
            uploads[0].error = UnstorableUploadError(details=getattr(refusal, "sqlstate", None))
            return
        self._tally.one_by_one += 1
        for upload in uploads:
            own = [row for row in rows if row.upload is upload]
            await (self._write_parts if upload.merges else self._write_around_duplicates)([upload], own)

    async def _commit(
        self, uploads: Sequence[Upload], rows: Sequence[Row], store: Store, record_stored: Record | None = None
    ) -> None:
        """Run one transaction, again after a deadlock; the outcomes are set only after COMMIT."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                updates, new, flattened, facts = await self._transaction(uploads, rows, store)
            except TRY_AGAIN:
                self._series.forget(uploads)
                if attempt == ATTEMPTS:
                    raise
                self._tally.again += 1
            except Exception:
                self._series.forget(uploads)
                raise
            else:
                record_devices(updates)
                (record_stored or record_rows)(rows, new)
                self._facts.store(facts)
                if flattened:
                    flattened.write_notes()
                return

    async def _transaction(
        self, uploads: Sequence[Upload], rows: Sequence[Row], store: Store
    ) -> tuple[list[DeviceUpdate], set[Key] | None, Flattened | None, dict[UUID, ReportedFacts]]:
        connection = await self._open()
        await self._series.prepare(connection, rows)
        updates = collect_device_updates(uploads, rows)
        async with connection.transaction():
            await touch_devices(connection, updates, self._clock(), self._token_overlap)
            stored = rows_of_good(updates, rows)
            new = await store(connection, stored)
            # A part that fills a row may have series, although its key is not new.
            keys = {key_of(row) for row in stored} if stored and stored[0].upload.merges else new
            flattened = await self._series.store(connection, stored, keys, self._clock())
            services = service_parameters((entry for entry in updates if entry.business_id), self._max_services)
            if services["names"] or services["listed_devices"]:
                bounds = {"now": self._clock(), "tolerance": BOOT_TOLERANCE}
                left_out = await connection.fetch(*QUERIES.bind("keep_services", **services, **bounds))
                note_left_out(uploads, left_out)
            facts = self._facts.find_changed(updates)
            if facts:
                await change_facts(connection, facts, self._clock())
        return updates, new, flattened, facts

    async def _open(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connect()
        return self._connection

    def _fail(self, uploads: Sequence[Upload], error: Exception) -> None:
        """Give every upload the same error: the agent keeps its samples and sends them again."""
        if not isinstance(error, (*CONNECTION_ERRORS, DatabaseUnavailableError)):
            log.error("a flush of %d uploads failed", len(uploads), exc_info=error)
        if self._connection:
            self._connection.terminate()  # its state is unknown; the next flush makes a new one
            self._connection = None
        self._tally.failed += 1
        self._tally.failed_at = time.monotonic()
        for upload in uploads:
            upload.error = DatabaseUnavailableError()


def rows_of_good(updates: Iterable[DeviceUpdate], rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows whose token is good."""
    refused = {upload for entry in updates if not entry.business_id for upload in entry.uploads}
    return [row for row in rows if row.upload not in refused] if refused else rows


def record_devices(updates: Iterable[DeviceUpdate]) -> None:
    """Set the business, open alerts and token errors that a committed transaction found in its uploads."""
    for entry in updates:
        for upload in entry.uploads:
            upload.business_id, upload.alerts = entry.business_id, entry.alerts
            if upload.business_id is None:
                upload.error = RevokedTokenError()


def note_left_out(uploads: Iterable[Upload], rows: Iterable[asyncpg.Record]) -> None:
    """Note in each upload how many of its services were not stored."""
    left_out = {row["device"]: row["left_out"] for row in rows}
    for upload in uploads if left_out else ():
        count = left_out.get(upload.agent_id, 0)
        if count and upload.decoded.samples:
            message = f"{count} new names of services aren't kept: the device has as many as it may have"
            upload.notes = [Note(upload.decoded.received - 1, "services", "too_many_services", message)]


def uploads_of(rows: Sequence[Row]) -> list[Upload]:
    """Return the uploads that `rows` came with, in order, each once."""
    return list(dict.fromkeys(row.upload for row in rows))
