"""One upload on its way to the database: its rows and their outcome."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from ingest.blocks import Block, Column, Unlike, columns_of, has_falls, pieces_of
from ingest.copy_rows import encode_rows, microseconds
from ingest.counter_breaks import broken_after, mark_breaks
from ingest.samples import Decoded, Note, Sample, has_values

LOOK_BACK = 300  # samples in which a counter is looked for


@dataclass(slots=True, eq=False)
class Upload:
    """One agent's upload; the writer counts `inserted` or sets `error`, the route turns both into the answer."""

    agent_id: UUID
    token_hash: str  # SHA-256 of the token in hex; the writer checks it in the transaction of the rows
    received_at: datetime
    decoded: Decoded
    rows: list["Row"] = field(default_factory=list)
    block: Block | None = None  # in the place of rows, where the samples of a large upload are alike
    inserted: int = 0
    business_id: UUID | None = None  # the tenant of the device; set once the writer has read it from the database
    alerts: list[str] = field(default_factory=list)  # the types of the device's open alerts
    error: Exception | None = None
    seconds: float = 0.0  # its share, by samples, of the time in which its group was written
    brings_series: bool = False  # a sample of it has disks, interfaces, sensors or series
    notes: list[Note] = field(default_factory=list)  # of series that could not be stored; the writer adds them
    merges: bool = False  # its samples may be parts of rows: nulls of a stored row are filled, values stay
    # Its network sums may be over some interfaces, its disk may not be the system's: the database knows the others.
    may_lack_interfaces: bool = False
    may_lack_system_disk: bool = False
    before: Sample | None = None  # the device's sample with counters before these, where parts came apart

    def __post_init__(self) -> None:
        """Sort its samples: a counter that falls is found between neighbours, and a block has rising times."""
        if len(self.decoded.samples) > 1:
            self.decoded.sort_by_time()

    def brings_data(self) -> bool:
        """Return whether something was measured: not so when all samples were refused, or all their values."""
        samples = self.decoded.samples
        return bool(samples) and (not self.decoded.notes or any(map(has_values, samples)))

    @property
    def count(self) -> int:
        """The number of samples to store."""
        return len(self.block.times) if self.block else len(self.rows)

    def forget_rows(self) -> None:
        """Drop the rows: they refer to the upload, a cycle that only the garbage collector would free."""
        self.rows.clear()
        self.block = None

    def pack(self, size: int) -> Iterator[None]:
        """Make a block or rows of a large upload, of `size` samples between two yields."""
        if self.decoded.samples and self.before is None and not self.merges and not any(self.decoded.unknown):
            try:
                self.block = yield from self._as_block(size)
            except Unlike:
                pass
            else:
                return
        for start, stop in pieces_of(len(self.decoded.samples), size):
            self.make_rows(start, stop)
            yield

    def _as_block(self, size: int) -> Generator[None, None, Block]:
        block, device, received = Block(), self.agent_id.bytes, microseconds(self.received_at)
        for start, stop in pieces_of(len(self.decoded.samples), size):
            block.add(device, received, self._columns(start, stop))
            yield
        block.finish()
        return block

    def _columns(self, start: int, stop: int) -> dict[str, Column]:
        samples = self.decoded.samples[start:stop]
        columns = columns_of(samples)
        before = self.decoded.samples[start - 1 : start + 1] if start else ()
        if has_falls(columns) or (before and has_falls(columns_of(before))):
            columns = columns_of(self._as_stored(start, samples))
        return columns

    def make_rows(self, start: int = 0, stop: int | None = None) -> None:
        """Make the rows of some samples: done in the request, while the writer waits for the database."""
        samples, unknown = self.decoded.samples[start:stop], self.decoded.unknown[start:stop]
        as_stored = self._as_stored(start, samples)
        encoded = encode_rows(self.agent_id, self.received_at, as_stored, unknown)
        self.rows += [
            Row(self, sample, sample.collected_at, each, rest, stored if stored is not sample else None)
            for sample, each, rest, stored in zip(samples, encoded, unknown, as_stored, strict=True)
        ]
        self.brings_series = self.brings_series or any(map(has_series, samples))

    def _as_stored(self, start: int, samples: Sequence[Sample]) -> Sequence[Sample]:
        if len(samples) == 1 and not start and self.before is None:
            return samples
        before = self._counted_before(start) if start else [self.before] if self.before else []
        breaks = mark_breaks([*before, *samples], are_parts=self.merges)
        return [breaks.get(place, sample) for place, sample in enumerate(samples, len(before))] if breaks else samples

    def _counted_before(self, start: int) -> list[Sample]:
        """Return the last sample with both counters before a place, as a list; that before the place if none has."""
        earlier = reversed(self.decoded.samples[max(0, start - LOOK_BACK) : start])
        return [next(filter(has_counters, earlier), self.decoded.samples[start - 1])]

    def mark_break(self, row: "Row", before: Mapping[str, Any], before_at: datetime) -> None:
        """Store a row as a break if its counters fell since the device's sample before, which had these values."""
        broken = broken_after(before, before_at, row.sample)
        if broken:
            unknown = self.decoded.unknown[next(i for i, one in enumerate(self.decoded.samples) if one is row.sample)]
            (row.encoded,) = encode_rows(self.agent_id, self.received_at, [broken], [unknown])


@dataclass(slots=True, eq=False)
class Row:
    """One sample as a row for COPY, and the upload that brought it."""

    upload: Upload
    sample: Sample
    collected_at: datetime
    encoded: bytes
    unknown: bytes | None = None  # JSON of the sample's unknown fields
    broken: Sample | None = None  # the sample with its breaks, where its counters fell in this upload


def has_counters(sample: Sample) -> bool:
    """Return whether a sample has both counters of the network."""
    return sample.network_rx_bytes is not None and sample.network_tx_bytes is not None


def has_series(sample: Sample) -> bool:
    """Return whether a sample has a part that becomes series."""
    return bool(sample.disks or sample.interfaces or sample.sensors or sample.series)
