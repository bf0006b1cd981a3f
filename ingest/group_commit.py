"""Group commit: uploads that arrive while others are written make up the next group.

The contract of back-pressure: `enqueue` refuses at once when the buffer is full (the agent comes back later), calls
back after COMMIT otherwise, and never holds more than `max_samples`. `close` takes no more uploads and writes what
waits.

The buffer and the groups are shared fairly: one business holds at most half of the buffer, and where more small uploads
wait than a group takes, businesses and their devices take turns.

Two groups may be written at the same time, on two connections: small uploads do not wait for the COPY of large ones,
and while one group commits the next is gathered. If no small upload has come for a while, both write large ones.
Uploads of one device are written in the order of their arrival, one group after the other.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence

from ingest.counters import IngestCounters
from ingest.errors import IngestBusyError
from ingest.pace import Pace
from ingest.pending import Upload
from ingest.turns import NewestOwners, WriteTurns

Write = Callable[[Sequence[Upload]], Awaitable[None]]
Done = Callable[[], None]
Waiting = tuple[Upload, Done, Hashable]  # the last: whose turn it takes, and whose share of the buffer

# One COPY takes at most this many samples: it bounds the time that the last of a group waits for the first.
MAX_GROUP_SAMPLES = 10_000
# So many samples wait or are being written that a large upload stays packed: two groups are ready while two are being
# written, so that the writers never wait.
MAX_AHEAD = 4 * MAX_GROUP_SAMPLES
MAX_SMALL = 60  # samples of an upload that doesn't wait for large ones: an hour of minutes
MAX_SMALL_GROUP = 2_000  # samples of a group of small ones: what a small upload that comes next waits for
SHARE = 0.5  # of the buffer, for one business
SERIES_WEIGHT = 4  # a sample with series is some dozens of rows more, though narrow ones


class GroupCommit:
    """The bounded buffer between requests and the writers of this process."""

    def __init__(
        self,
        write: Write,
        max_samples: int,
        tally: IngestCounters | None = None,
        beside: Write | None = None,
        small_owners: NewestOwners | None = None,
    ) -> None:
        """`write` commits uploads and records the outcome in each; it may raise, which fails the whole group.

        `beside` does the same at the same time, for small uploads. `small_owners` counts whose small uploads come.
        """
        self._write, self._beside = write, beside
        self._idle: set[Write] = {each for each in (write, beside) if each}
        self._tally = tally or IngestCounters()
        self.max_samples = max_samples
        self._small: deque[Waiting] = deque()
        self._large: WriteTurns[Waiting] = WriteTurns()
        self._written: set[int] = set()  # devices of the groups that are being written, by their ids
        self._running: dict[asyncio.Task[None], float] = {}  # since when, by time.monotonic
        self._large_was_last = False
        # Uploads of the groups that are being written, of small and of large ones: a group beside must not be smaller.
        self._small_running = self._large_running = 0
        self._pace = Pace()
        self._wake = asyncio.Event()
        self._given_back = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self.small_owners = small_owners or NewestOwners()  # whose small uploads came a moment ago
        self.after_group: Done = lambda: None  # called when a group has been written, before its uploads are answered
        self._held: Counter[Hashable] = Counter()  # samples of `buffered` by business
        self.buffered = 0  # samples that wait or are being written
        self.writing_since: float | None = None  # by time.monotonic, since when the oldest group is being written

    def start(self) -> None:
        """Begin to write; call once, inside the event loop."""
        self._task = asyncio.create_task(self._run(), name="group commit")

    async def submit(self, upload: Upload, tenant: Hashable = None) -> None:
        """Return when `upload` is committed; raises its error, or IngestBusyError when there is no room."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def set_done() -> None:
            if not done.done():  # a request that was cancelled no longer waits
                done.set_result(None)

        self.enqueue(upload, set_done, tenant)
        await done
        if upload.error:
            raise upload.error

    def enqueue(self, upload: Upload, done: Done, tenant: Hashable = None) -> None:
        """Let an upload wait; calls `done` when it is committed or has its error. Raises IngestBusyError.

        `tenant`: whose turn and share of the buffer it takes; a device whose business is not known counts for itself.
        """
        size, owner = weight(upload), upload.agent_id if tenant is None else tenant
        self.check_room(size, owner)
        self.buffered += size
        self._held[owner] += size
        if size <= MAX_SMALL:
            self.small_owners.note(owner, upload.agent_id)
        else:
            self.small_owners.note_large(upload.agent_id)
        self._pace.arrived(joins=bool(self._small or self._large))
        if self._is_for_all(upload, size):
            self._small.append((upload, done, owner))
        else:
            self._large.push(owner, upload.agent_id, (upload, done, owner))
        if self._idle:
            self._wake.set()

    def check_room(self, samples: int = 1, owner: Hashable = None) -> None:
        """Raise IngestBusyError when `samples` more have no room; asked before a body is decoded, that is cheap.

        An owner without any may exceed its share, so that an upload of any size has its turn.
        """
        if self._closing or self.buffered + samples > self.max_samples:
            raise IngestBusyError
        if not self._has_room(samples, owner):
            raise IngestBusyError("Too many samples of this business wait to be stored: send this again later.")

    async def wait_for_room(self, samples: int = 0, owner: Hashable = None) -> None:
        """Return when an upload of `samples` has room; 0: when a large one may be decoded, whose size is not known.

        Raises IngestBusyError when this closes.
        """
        while not self._has_room(samples, owner):
            if self._closing or samples > self.max_samples:
                raise IngestBusyError
            await self._given_back.wait()

    async def close(self) -> None:
        """Refuse new uploads, write those that wait, and return when they are answered."""
        self._closing = True
        self._wake.set()
        self._given_back.set()
        if self._task:
            await self._task

    def _has_room(self, samples: int, owner: Hashable) -> bool:
        if not samples:
            return self.buffered < min(MAX_AHEAD, self.max_samples * SHARE)
        held = self._held.get(owner, 0)
        return self.buffered + samples <= self.max_samples and not (held and held + samples > self.max_samples * SHARE)

    def _is_for_all(self, upload: Upload, size: int) -> bool:
        """Return whether both writers may take an upload: it is small, unless an earlier one of its device waits."""
        if size <= MAX_SMALL:
            return not self._large or upload.agent_id not in self._large
        return any(other.agent_id == upload.agent_id for other, _, _ in self._small)

    async def _run(self) -> None:
        while not self._closing or self._small or self._large or self._running:
            await self._wake.wait()
            self._wake.clear()
            await self._gather()
            for write in (self._write, self._beside):
                if write and write in self._idle and (group := self._take(write)):
                    self._begin(write, group)

    async def _gather(self) -> None:
        """Return when the next group may begin: an arrival may bring that nearer or put it off."""
        while self._idle and (self._small or self._large):
            seconds = self._pace.wait()
            if seconds <= 0:
                return
            await asyncio.sleep(seconds)

    def _begin(self, write: Write, group: list[Waiting]) -> None:
        self._idle.discard(write)
        self._pace.began()
        small = len(group) if weight(group[0][0]) <= MAX_SMALL else 0
        self._small_running += small
        self._large_running += len(group) - small
        self._written.update(upload.agent_id.int for upload, _, _ in group)
        task = asyncio.create_task(self._commit(write, group, small), name="a group")
        self._running[task] = time.monotonic()
        self.writing_since = min(self._running.values())

    def _take(self, write: Write) -> list[Waiting]:
        """Return the next group of a writer; empty when nothing that waits is for it. A single writer alternates."""
        takes_large = write is self._write and (not self._small or self._beside or not self._large_was_last)
        if write is self._beside and not self._small and self.small_owners.is_quiet():
            takes_large = len(self._large) >= self._large_running  # or groups would only become smaller
        self._large_was_last = bool(self._large and takes_large)
        if self._large_was_last:
            return self._take_large()
        return self._take_small() if len(self._small) >= self._small_running else []

    def _take_small(self) -> list[Waiting]:
        group: list[Waiting] = []
        left: deque[Waiting] = deque()  # of devices that are being written, and so in order
        samples = 0
        if sum(weight(upload) for upload, _, _ in self._small) > MAX_SMALL_GROUP:
            self._small = in_turns(self._small)
        while self._small and (not group or samples + weight(self._small[0][0]) <= MAX_SMALL_GROUP):
            entry = self._small.popleft()
            if entry[0].agent_id.int in self._written:
                left.append(entry)
            else:
                group.append(entry)
                samples += weight(entry[0])
        left.extend(self._small)
        self._small = left
        return group

    def _take_large(self) -> list[Waiting]:
        group: list[Waiting] = []
        samples = 0
        while self._large:
            upload = self._large.peek()[0]
            if upload.agent_id.int in self._written or (group and samples + weight(upload) > MAX_GROUP_SAMPLES):
                break
            group.append(self._large.pop())
            samples += weight(upload)
        return group

    async def _commit(self, write: Write, group: list[Waiting], small: int) -> None:
        uploads = [upload for upload, _, _ in group]
        samples, began = sum(map(weight, uploads)), time.monotonic()
        try:
            await write(uploads)
        except Exception as error:  # noqa: BLE001  whatever it is, it belongs to those who wait, not to this task
            for upload in uploads:
                upload.error = upload.error or error
        self._written.difference_update(upload.agent_id.int for upload in uploads)
        self._small_running -= small
        self._large_running -= len(group) - small
        self._idle.add(write)
        self._wake.set()
        del self._running[asyncio.current_task()]  # type: ignore[arg-type]  # a task runs this
        self.writing_since = min(self._running.values(), default=None)
        seconds = time.monotonic() - began
        for upload in uploads:
            upload.seconds = seconds * weight(upload) / samples
        self._tally.flushed(samples, seconds)
        self._give_back(group, samples)
        self.after_group()
        for _, done, _ in group:
            done()

    def _give_back(self, group: list[Waiting], samples: int) -> None:
        self.buffered -= samples
        self._given_back.set()  # wakes those who wait now
        self._given_back.clear()
        for upload, _, owner in group:
            self._held[owner] -= weight(upload)
            if not self._held[owner]:
                del self._held[owner]


def in_turns(waiting: Iterable[Waiting]) -> "deque[Waiting]":
    """Return what waits in the order of turns by business and device; uploads of one device keep their order."""
    turns: WriteTurns[Waiting] = WriteTurns()
    for entry in waiting:
        turns.push(entry[2], entry[0].agent_id, entry)
    return deque(turns.pop() for _ in range(len(turns)))


def weight(upload: Upload) -> int:
    """Return what an upload counts in the buffer: its samples, with series fourfold; an empty one takes a place too."""
    return max(1, upload.count * (SERIES_WEIGHT if upload.brings_series else 1))
