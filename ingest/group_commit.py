"""Group commit: uploads that arrive while a COPY runs make up the next COPY.

The contract of back-pressure: `submit` refuses at once when the buffer is full (the agent comes back later), waits
for COMMIT otherwise, and never holds more than `max_samples`. `close` takes no more uploads and writes what waits.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from ingest.counters import IngestCounters
from ingest.errors import IngestBusyError
from ingest.pending import Upload

Write = Callable[[Sequence[Upload]], Awaitable[None]]

# One COPY takes at most this many samples: it bounds the time that the last of a group waits for the first.
MAX_GROUP_SAMPLES = 10_000
# From the beginning of one group to the next: uploads that come meanwhile share a commit. The first after a silence
# doesn't wait, and neither does anybody when commits take longer than this.
BETWEEN_SECONDS = 0.02
SERIES_WEIGHT = 4  # a sample with series is some dozens of rows more, though narrow ones


class GroupCommit:
    """The bounded buffer between requests and the one writer of this process."""

    def __init__(self, write: Write, max_samples: int, tally: IngestCounters | None = None) -> None:
        """`write` commits uploads and records the outcome in each; it may raise, which fails the whole group."""
        self._write = write
        self._tally = tally or IngestCounters()
        self.max_samples = max_samples
        self._waiting: deque[tuple[Upload, asyncio.Future[None]]] = deque()
        self._arrival = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.buffered = 0  # samples that wait or are being written
        self.writing_since: float | None = None  # by time.monotonic, while a group is being written

    def start(self) -> None:
        """Begin to write; call once, inside the event loop."""
        self._task = asyncio.create_task(self._run(), name="group commit")

    async def submit(self, upload: Upload) -> None:
        """Return when `upload` is committed; raises its error, or IngestBusyError when there is no room."""
        size = weight(upload)
        self.check_room(size)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.buffered += size
        self._waiting.append((upload, done))
        self._arrival.set()
        await done
        if upload.error:
            raise upload.error

    def check_room(self, samples: int = 1) -> None:
        """Raise IngestBusyError when `samples` more have no room; asked before a body is decoded, that is cheap."""
        if self._closing or self.buffered + samples > self.max_samples:
            raise IngestBusyError

    async def close(self) -> None:
        """Refuse new uploads, write those that wait, and return when they are answered."""
        self._closing = True
        self._arrival.set()
        if self._task:
            await self._task

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            if self._waiting:
                earliest = time.monotonic() + BETWEEN_SECONDS
                await self._commit(self._take())
                await asyncio.sleep(max(0.0, earliest - time.monotonic()))
            else:
                self._arrival.clear()
                await self._arrival.wait()

    def _take(self) -> list[tuple[Upload, asyncio.Future[None]]]:
        group: list[tuple[Upload, asyncio.Future[None]]] = []
        samples = 0
        while self._waiting and (not group or samples + weight(self._waiting[0][0]) <= MAX_GROUP_SAMPLES):
            group.append(self._waiting.popleft())
            samples += weight(group[-1][0])
        return group

    async def _commit(self, group: list[tuple[Upload, asyncio.Future[None]]]) -> None:
        uploads = [upload for upload, _ in group]
        samples = sum(map(weight, uploads))
        began = self.writing_since = time.monotonic()
        try:
            await self._write(uploads)
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to those who wait, not to this loop
            for upload in uploads:
                upload.error = upload.error or error
        self.writing_since = None
        self._tally.flushed(samples, time.monotonic() - began)
        self.buffered -= samples
        for _, done in group:
            if not done.done():  # a request that was cancelled no longer waits
                done.set_result(None)


def weight(upload: Upload) -> int:
    """Return what an upload counts in the buffer: its samples, with series fourfold; an empty one takes a place too."""
    return max(1, len(upload.rows) * (SERIES_WEIGHT if upload.brings_series else 1))
