"""Decides which samples share a transaction, and the order in which blocks are copied.

A rollup's invalidation is one time range per transaction, from its lowest to its highest row, for all devices. Live
rows, which no rollup contains yet, therefore go together. Late rows go in runs without large gaps, so that only times
with new samples are invalidated. So do the samples of blocks; such a run may span chunks and reach until now.
"""

from bisect import bisect_left
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import attrgetter, sub

from db.hypertables.policies import LATE_AFTER, RAW
from ingest.blocks import Block, pieces_of
from ingest.copy_rows import END, SIGNATURE
from ingest.pending import Row, Upload
from ingest.service_updates import MAX_LISTS

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)  # where TimescaleDB counts chunks from
MAX_GAP = timedelta(hours=1)  # a longer gap between late rows begins a new run
MAX_RUNS = 40  # in one flush
MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1) // MICROSECOND
BYTES_AT_ONCE = 512 * 1024  # in one message to the database


def split_lanes(rows: Iterable[Row], now: datetime, most: int) -> list[list[Row]]:
    """Return groups of at most `most` rows, each for one transaction: late runs in time order, then the live rows."""
    horizon = now - LATE_AFTER
    live: list[Row] = []
    late: list[Row] = []
    for row in rows:
        (live if row.collected_at > horizon else late).append(row)
    groups = late_runs(late, MAX_GAP)
    if len(groups) > MAX_RUNS:  # sparse samples: a run for each chunk rather than hundreds of transactions
        groups = late_runs(late, RAW.chunk)
    if live:
        groups.append(live)
    return [group[start:stop] for group in groups for start, stop in pieces_of(len(group), most)]


def late_runs(late: list[Row], max_gap: timedelta) -> list[list[Row]]:
    """Cut late rows, in time order, at longer gaps and at chunk boundaries."""
    runs: list[list[Row]] = []
    before = chunk_end = EPOCH
    for row in sorted(late, key=attrgetter("collected_at")):
        at = row.collected_at
        if at >= chunk_end or at - before > max_gap:
            chunk_end = EPOCH + ((at - EPOCH) // RAW.chunk + 1) * RAW.chunk
            runs.append([])
        runs[-1].append(row)
        before = at
    return runs


@dataclass(slots=True, eq=False)
class Part:
    """Samples of a block that follow each other: all that a run has of an upload."""

    upload: Upload
    block: Block
    start: int
    stop: int
    first: Row  # its packed form replaces the block's bytes: the writer may store it as a break
    last: Row

    @property
    def begins(self) -> int:
        """The time of its first sample, in microseconds since 2000."""
        return self.block.times[self.start]

    @property
    def ends(self) -> int:
        """The time of its last sample."""
        return self.block.times[self.stop - 1]

    def device_rows(self) -> Iterator[Row]:
        """Yield the rows that update the device: the first, the newest with lists of services, the last."""
        yield self.first
        places = self.block.service_places
        inside = places[bisect_left(places, self.start + 1) : bisect_left(places, self.stop - 1)]
        yield from (row_at(self.upload, self.block, place) for place in inside[-MAX_LISTS:])
        if self.last is not self.first:
            yield self.last

    def rows(self) -> Iterator[Row]:
        """Yield all of its samples as rows."""
        yield self.first
        yield from (row_at(self.upload, self.block, place) for place in range(self.start + 1, self.stop))

    def slices(self) -> Iterator[tuple[int, Sequence[bytes | memoryview]]]:
        """Yield hours, counted since 2000, and the bytes of the rows in them."""
        times, width, place = self.block.times, self.block.width, self.start
        packed = memoryview(self.block.packed)
        while place < self.stop:
            hour = times[place] // HOUR
            after = bisect_left(times, (hour + 1) * HOUR, place, self.stop)
            if place == self.start:
                yield hour, (self.first.encoded, packed[(place + 1) * width : after * width])
            else:
                yield hour, (packed[place * width : after * width],)
            place = after


def blocks_and_rows(uploads: Iterable[Upload]) -> tuple[list[Upload], list[Upload]]:
    """Split uploads into those stored as blocks and those stored as rows.

    If a device has both, all are stored as rows: of two copies of a sample, the one that arrived first counts.
    """
    uploads = list(uploads)
    with_rows = {upload.agent_id for upload in uploads if upload.rows}
    as_blocks: dict[bool, list[Upload]] = {True: [], False: []}
    for upload in uploads:
        as_blocks[upload.block is not None and upload.agent_id not in with_rows].append(upload)
    return as_blocks[True], as_blocks[False]


def rows_of(upload: Upload) -> list[Row]:
    """Return an upload's samples as rows, whether it is packed as a block or not."""
    block = upload.block
    return [row_at(upload, block, place) for place in range(len(block.times))] if block else upload.rows


def row_at(upload: Upload, block: Block, place: int) -> Row:
    """Return the sample of a block at `place` (from 0) as a row."""
    sample = upload.decoded.samples[place]
    return Row(upload, sample, sample.collected_at, block.row(place))


def split_blocks(uploads: Iterable[Upload], most: int) -> list[list[Part]]:
    """Return the samples of blocks in groups of at most `most`, each for one transaction, in the order of time."""
    blocks = [(upload, upload.block) for upload in uploads if upload.block]
    runs = find_runs(blocks, MAX_GAP)
    # Sparse samples: few long runs rather than hundreds of transactions.
    if len(runs) > MAX_RUNS:
        runs = find_runs(blocks, RAW.chunk)
    return [piece for run in runs for piece in cut_run(run, most)]


def find_runs(blocks: Iterable[tuple[Upload, Block]], max_gap: timedelta) -> list[list[Part]]:
    """Cut blocks where none of them has samples for longer than `max_gap`."""
    gap = max_gap // MICROSECOND
    runs: list[list[Part]] = []
    end = 0
    for part in sorted((part for each in blocks for part in parts_of(*each, gap)), key=attrgetter("begins")):
        if not runs or part.begins - end > gap:
            runs.append([])
        runs[-1].append(part)
        end = max(end, part.ends)
    return runs


def parts_of(upload: Upload, block: Block, gap: int) -> Iterator[Part]:
    """Yield the parts of a block that have no gap."""
    times = block.times
    cuts = [place for place, between in enumerate(map(sub, times[1:], times), 1) if between > gap]
    for start, stop in zip((0, *cuts), (*cuts, len(times)), strict=True):
        yield make_part(upload, block, start, stop)


def make_part(upload: Upload, block: Block, start: int, stop: int) -> Part:
    """Return the samples of a block from `start` up to `stop`."""
    first = row_at(upload, block, start)
    return Part(upload, block, start, stop, first, first if stop - start == 1 else row_at(upload, block, stop - 1))


def cut_run(run: Iterable[Part], most: int) -> Iterator[list[Part]]:
    """Yield a run in pieces of at most `most` samples."""
    piece: list[Part] = []
    room = most
    for part in run:
        start = part.start
        while start < part.stop:
            stop = min(part.stop, start + room)
            piece.append(make_part(part.upload, part.block, start, stop))
            room -= stop - start
            start = stop
            if not room:
                yield piece
                piece, room = [], most
    if piece:
        yield piece


def rows_in_order(run: Iterable[Part], uploads: Sequence[Upload]) -> list[Row]:
    """Return all samples of a run as rows, those of one upload after the other in the order of arrival."""
    place_of = {upload: place for place, upload in enumerate(uploads)}
    return [row for part in sorted(run, key=lambda part: place_of[part.upload]) for row in part.rows()]


async def run_data(run: Sequence[Part]) -> AsyncIterator[bytes]:
    """Yield the data for COPY by hours, then by devices, so that rows near in time are near on the disk."""
    slices = [(hour, number, some) for number, part in enumerate(run) for hour, some in part.slices()]
    waiting: list[bytes | memoryview] = [SIGNATURE]
    size = 0
    for _, _, some in sorted(slices, key=lambda each: each[:2]):
        waiting += some
        size += sum(map(len, some))
        if size > BYTES_AT_ONCE:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join((*waiting, END))
