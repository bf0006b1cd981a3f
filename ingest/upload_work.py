"""One upload on its way to the database: its rows, and what became of them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ingest.copy_rows import Record, make_record
from ingest.samples import Decoded, Sample


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

    def make_rows(self) -> None:
        """Make the rows: done in the request, while the writer waits for the database."""
        for sample, unknown in zip(self.decoded.samples, self.decoded.unknown, strict=True):
            record = make_record(self.agent_id, self.received_at, sample, unknown)
            self.rows.append(Row(self, sample, sample.collected_at, record))


@dataclass(slots=True, eq=False)
class Row:
    """One sample as a record for COPY, and the upload that brought it."""

    upload: Upload
    sample: Sample
    collected_at: datetime
    record: Record
