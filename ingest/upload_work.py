"""One upload on its way to the database: its rows, and what became of them."""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ingest.copy_rows import encode_row
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
    error: Exception | None = None

    def encode(self) -> None:
        """Make the rows: done in the request, while the writer waits for the database."""
        for sample, unknown in zip(self.decoded.samples, self.decoded.unknown, strict=True):
            encoded = encode_row(self.agent_id, self.received_at, sample, unknown)
            self.rows.append(Row(self, sample, sample.collected_at, encoded))


@dataclass(slots=True, eq=False)
class Row:
    """One sample, encoded for COPY, and the upload that brought it."""

    upload: Upload
    sample: Sample
    collected_at: datetime
    encoded: bytes
