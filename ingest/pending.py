"""One upload on its way to the database: its rows, and what became of them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ingest.copy_rows import encode_rows
from ingest.samples import Decoded, Note, Sample, has_values


@dataclass(slots=True, eq=False)
class Upload:
    """One agent's upload; the writer counts `inserted` or sets `error`, the route turns both into the answer."""

    agent_id: UUID
    token_hash: str  # SHA-256 of the token in hex; the writer checks it in the transaction of the rows
    received_at: datetime
    decoded: Decoded
    rows: list["Row"] = field(default_factory=list)
    inserted: int = 0
    business_id: UUID | None = None  # whose the device is; known once the writer has asked the database
    alerts: list[str] = field(default_factory=list)  # the types of the device's open alerts
    error: Exception | None = None
    brings_series: bool = False  # a sample of it has disks, interfaces, sensors or series
    notes: list[Note] = field(default_factory=list)  # of series that couldn't be stored; the writer adds them
    merges: bool = False  # its samples may be parts of rows: nulls of a stored row are filled, values stay

    def brings_data(self) -> bool:
        """Return whether something was measured: not so when all samples were refused, or all their values."""
        samples = self.decoded.samples
        return bool(samples) and (not self.decoded.notes or any(map(has_values, samples)))

    def make_rows(self, start: int = 0, stop: int | None = None) -> None:
        """Make the rows of some samples: done in the request, while the writer waits for the database."""
        samples, unknown = self.decoded.samples[start:stop], self.decoded.unknown[start:stop]
        encoded = encode_rows(self.agent_id, self.received_at, samples, unknown)
        self.rows += [
            Row(self, sample, sample.collected_at, each, rest)
            for sample, each, rest in zip(samples, encoded, unknown, strict=True)
        ]
        self.brings_series = self.brings_series or any(map(has_series, samples))


@dataclass(slots=True, eq=False)
class Row:
    """One sample as a row for COPY, and the upload that brought it."""

    upload: Upload
    sample: Sample
    collected_at: datetime
    encoded: bytes
    unknown: bytes | None = None  # JSON of the sample's unknown fields


def has_series(sample: Sample) -> bool:
    """Tell whether a sample has a part that becomes series."""
    return bool(sample.disks or sample.interfaces or sample.sensors or sample.series)
