"""Shares counts between the processes of one port: a small file for each, in a common directory.

A scrape reaches any one of the processes, which must answer for all. Each process has a slot (`0`, `1`, …), which it
locks while it runs and writes once a second. A new process takes a free slot and continues its counts: so the counts of
a dead process are kept, no counter goes backwards, and there are never more slots than processes at one time. A killed
process loses the counts since its last write, a second at most.
"""

import fcntl
import logging
import os
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import msgspec

from health.counts import ProcessCounts

log = logging.getLogger(__name__)
_decode = msgspec.json.Decoder(ProcessCounts)


@dataclass(frozen=True, slots=True)
class Siblings:
    """The processes that serve one port, by the directory that they share."""

    directory: Path

    @property
    def _marker(self) -> Path:
        return self.directory / "draining"

    def drain(self) -> None:
        """Mark all slots as ending."""
        self._marker.touch()

    @property
    def draining(self) -> bool:
        """True once they are."""
        return self._marker.exists()


class CounterSlot:
    """The slot of this process: a locked file in the common directory."""

    def __init__(self, directory: Path) -> None:
        """Take the first free slot; the lock ends with the process, however that ends."""
        self._directory = directory
        for number in count():
            self._lock = os.open(directory / f"{number}.lock", os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._lock)
            else:
                self.number = number
                break

    def load(self) -> ProcessCounts:
        """Return the counts that this slot's last holder left."""
        return read_counts(self._directory / f"{self.number}.json") or ProcessCounts()

    def write(self, counts: bytes) -> None:
        """Replace this slot's counts in one step: a reader sees the old ones or the new ones."""
        fresh = self._directory / f"{self.number}.new"
        fresh.write_bytes(counts)
        fresh.replace(self._directory / f"{self.number}.json")

    def others(self) -> dict[int, ProcessCounts]:
        """Return the counts in all other slots, of the living and the dead."""
        files = {int(file.stem): file for file in self._directory.glob("*.json")}
        read = {number: read_counts(file) for number, file in files.items() if number != self.number}
        return {number: counts for number, counts in read.items() if counts}

    def release(self) -> None:
        """Leave the slot to the next process."""
        os.close(self._lock)


def read_counts(file: Path) -> ProcessCounts | None:
    """Return the counts in a slot's file; None if there is none, or if another version wrote it."""
    try:
        counts = _decode.decode(file.read_bytes())
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        log.warning("the counts in %s cannot be read (%s): counting from zero", file, error)
        return None
    fresh = ProcessCounts()
    pairs = (
        (counts.uploads.upload_seconds, fresh.uploads.upload_seconds),
        (counts.uploads.flush_seconds, fresh.uploads.flush_seconds),
        (counts.uploads.flush_samples, fresh.uploads.flush_samples),
        (counts.web.seconds, fresh.web.seconds),
    )
    return counts if all(one.bounds == other.bounds for one, other in pairs) else None
