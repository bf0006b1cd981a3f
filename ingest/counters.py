"""Counters of the upload path: plain numbers without locks or labels, because only the event loop changes them.

One object for each process. `health/` reads and exposes the numbers. It is a `Struct` because processes exchange it as
JSON.
"""

from collections.abc import Iterable

import msgspec

from core.histogram import Histogram
from ingest.samples import Note, Rejection

UPLOAD_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
FLUSH_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SAMPLE_BOUNDS = (1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10_000.0, 20_000.0)


class IngestCounters(msgspec.Struct):
    """Counts since the start of this process; times in seconds."""

    uploads: int = 0  # answered with 200
    accepted: int = 0  # samples that are new
    duplicates: int = 0  # samples that were stored already
    rejected: dict[str, int] = msgspec.field(default_factory=dict)  # samples, by the code of the fault
    noted: dict[str, int] = msgspec.field(default_factory=dict)  # parts of samples, by the code of the fault
    refused: dict[str, int] = msgspec.field(default_factory=dict)  # whole uploads, by the code of the answer
    upload_seconds: Histogram = msgspec.field(default_factory=lambda: Histogram.of(UPLOAD_BOUNDS))
    flush_seconds: Histogram = msgspec.field(default_factory=lambda: Histogram.of(FLUSH_BOUNDS))
    flush_samples: Histogram = msgspec.field(default_factory=lambda: Histogram.of(SAMPLE_BOUNDS))
    around_duplicates: int = 0  # transactions that went through the temporary table
    one_by_one: int = 0  # batches whose uploads went one at a time
    again: int = 0  # transactions that were tried again after a deadlock
    failed: int = 0  # transactions that failed all their uploads: the database away, most often
    failed_at: float = 0.0  # when the last one did, by time.monotonic; 0: none did

    def answered(
        self, accepted: int, duplicates: int, rejected: Iterable[Rejection], seconds: float, notes: Iterable[Note] = ()
    ) -> None:
        """Count an upload that is answered with 200."""
        self.uploads += 1
        self.accepted += accepted
        self.duplicates += duplicates
        self.upload_seconds.add(seconds)
        for rejection in rejected:
            self.rejected[rejection.code] = self.rejected.get(rejection.code, 0) + 1
        for note in notes:
            self.noted[note.code] = self.noted.get(note.code, 0) + 1

    def refuse(self, code: str) -> None:
        """Count an upload that is answered with an error."""
        self.refused[code] = self.refused.get(code, 0) + 1

    def flushed(self, samples: int, seconds: float) -> None:
        """Count a group of uploads that the writer has finished, whether it was committed or failed."""
        self.flush_samples.add(samples)
        self.flush_seconds.add(seconds)
