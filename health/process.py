"""The counters and the drain flag of this server process, for its siblings and for Prometheus."""

import asyncio
import logging
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import msgspec
import psutil

from health.counts import Gauges, ProcessCounts
from health.slots import CounterSlot, Siblings

log = logging.getLogger(__name__)

WRITE_SECONDS = 1.0
SILENT_SECONDS = 5.0  # a process that has not written within this is dead, or its event loop is blocked


class ThisProcess:
    """Counts, gauges and the drain flag of this process."""

    def __init__(self, siblings: Siblings | None = None) -> None:
        """`siblings`: where several processes serve one port; None when this one is alone."""
        self._siblings = siblings
        self._slot = CounterSlot(siblings.directory) if siblings else None
        self.counts = self._slot.load() if self._slot else ProcessCounts()
        self.counts.has_ended, self.counts.started_at = False, time.time()
        self.counts.uploads.failed_at = 0.0  # another process's clock
        self._cpu_before = self.counts.cpu_seconds
        self._draining = False
        self._gauges: Callable[[], Gauges] = Gauges
        self._this = psutil.Process()
        self._writing = asyncio.Lock()

    @property
    def has_siblings(self) -> bool:
        """True when other processes serve the same port."""
        return self._siblings is not None

    @property
    def draining(self) -> bool:
        """True once this process is about to end, and its siblings with it."""
        return self._draining or (self._siblings is not None and self._siblings.draining)

    def drain(self) -> None:
        """Mark the process as ending; readiness changes at once."""
        self._draining = True

    @asynccontextmanager
    async def reporting(self, gauges: Callable[[], Gauges]) -> AsyncIterator[None]:
        """Write the counts once a second inside this context, and once more at its end."""
        self._gauges = gauges
        stop = asyncio.Event()  # instead of cancelling, so that a running write ends before the last one
        task = asyncio.create_task(self._write_until(stop), name="counts")
        try:
            yield
        finally:
            stop.set()
            await task
            self._gauges, self.counts.has_ended = Gauges, True
            await self._write()
            if self._slot:
                self._slot.release()

    async def all(self) -> dict[int, ProcessCounts]:
        """Return the counts of all processes by slot, this one's as of now.

        This process writes its counts before it returns them: a later scrape of another process must not show less.
        """
        own_counts = await self._write()
        if self._slot is None:
            return {0: own_counts}
        return {self._slot.number: own_counts, **await asyncio.to_thread(self._slot.others)}

    async def _write_until(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            asleep = time.monotonic()
            with suppress(TimeoutError):
                async with asyncio.timeout(WRITE_SECONDS):
                    await stop.wait()
            self.counts.loop_delay_seconds = max(0.0, time.monotonic() - asleep - WRITE_SECONDS)
            await self._write()

    async def _write(self) -> ProcessCounts:
        """Write the counts, one write after the other, and return them."""
        async with self._writing:
            encoded = self._encoded()
            if self._slot:
                try:
                    await asyncio.to_thread(self._slot.write, encoded)
                except OSError as error:  # the counts continue in memory
                    log.warning("the counts cannot be written: %s", error)
        return msgspec.json.decode(encoded, type=ProcessCounts)

    def _encoded(self) -> bytes:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        self.counts.cpu_seconds = self._cpu_before + usage.ru_utime + usage.ru_stime
        self.counts.memory_bytes = self._this.memory_info().rss
        self.counts.gauges, self.counts.written_at = self._gauges(), time.time()
        return msgspec.json.encode(self.counts)


def is_alive(counts: ProcessCounts, now: float) -> bool:
    """Return whether these are the counts of a process that serves; `now` in seconds since 1970."""
    return not counts.has_ended and now - counts.written_at < SILENT_SECONDS
