"""Polls for changes after a notification that something was committed, in this process or another.

LISTEN uses its own connection. Notifications that arrive during a poll are answered by the next one, and polls have a
minimum distance: whatever the number of flushes, the tables are read a few times a second at most. A poll also runs
every 15 seconds without a notification, so a lost one only costs time.

Uploads are announced from here after their COMMIT, a few times a second at most. NOTIFY takes a lock that lasts until
the log is flushed: inside the transactions of uploads, the COMMIT of a few samples waited for that of thousands.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg

from api.live.changes import ChangePoller
from core.clock import Clock
from db.pools import CONNECTION_ERRORS, DatabaseUnavailableError

log = logging.getLogger(__name__)

CHANNEL = "rts_live"
KINDS = ("devices", "commands")
ANNOUNCE = "NOTIFY rts_live, 'devices'"
MIN_DISTANCE_SECONDS = 0.1
FULL_POLL_SECONDS = 15.0
RETRY_SECONDS = 2.0
TOKENS_SECONDS = 3.0  # how often the tokens of connected agents are asked for, at most

Connect = Callable[[], Awaitable[asyncpg.Connection]]


class NotifyListener:
    """The listening connection and the loop that polls."""

    def __init__(self, connect: Connect, poller: ChangePoller, clock: Clock) -> None:
        self._connect = connect
        self._poller = poller
        self._clock = clock
        self._kinds: set[str] = set()
        self._woken = asyncio.Event()
        self._uploaded = asyncio.Event()
        self._tokens_at, self._tokens_due = 0.0, False
        self._tasks: list[asyncio.Task[None]] = []
        self.connection: asyncpg.Connection | None = None  # the one that listens, while there is one

    def start(self) -> None:
        """Start to listen, to poll and to announce."""
        self._tasks = [
            asyncio.create_task(self._listen_on(), name="live listen"),
            asyncio.create_task(self._poll_on(), name="live poll"),
            asyncio.create_task(self._announce_on(), name="live announce"),
        ]

    async def close(self) -> None:
        """Stop listening, polling and announcing."""
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def wake(self, *kinds: str) -> None:
        """Request a poll of these kinds soon; without a kind, of all."""
        self._kinds.update(kinds or KINDS)
        self._woken.set()

    def announce_uploads(self) -> None:
        """Notify all processes soon that uploads have changed devices."""
        self._uploaded.set()

    async def _announce_on(self) -> None:
        while True:
            await self._uploaded.wait()
            self._uploaded.clear()
            await self._announce()
            await asyncio.sleep(MIN_DISTANCE_SECONDS)

    async def _announce(self) -> None:
        """Notify over the listening connection; while there is none, only this process polls."""
        try:
            if self.connection is None:
                self.wake("devices")
            else:
                await self.connection.execute(ANNOUNCE)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            log.warning("the live channel cannot announce uploads (%r)", error)

    async def _listen_on(self) -> None:
        """Hold a listening connection; after a break, open a new one and poll everything."""
        while True:
            try:
                await self._listen_once()
            except (*CONNECTION_ERRORS, DatabaseUnavailableError, asyncpg.PostgresError) as error:
                log.warning("the live channel cannot listen (%r): trying again", error)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen_once(self) -> None:
        connection = self.connection = await self._connect()
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        try:
            await connection.add_listener(CHANNEL, lambda *notification: self.wake(notification[3]))
            self.wake()
            await ended.wait()
        finally:
            self.connection = None
            connection.terminate()

    async def _poll_on(self) -> None:
        full_poll_at = 0.0
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(TOKENS_SECONDS if self._tokens_due else FULL_POLL_SECONDS):
                    await self._woken.wait()
            now = asyncio.get_running_loop().time()
            full = now - full_poll_at >= FULL_POLL_SECONDS
            kinds, self._kinds = (set(KINDS) if full else self._kinds), set()
            self._woken.clear()
            full_poll_at = now if full else full_poll_at
            failed = await self._poll(kinds, now)
            if failed:
                self.wake(*failed)
            await asyncio.sleep(RETRY_SECONDS if failed else MIN_DISTANCE_SECONDS)

    async def _poll(self, kinds: set[str], at: float) -> list[str]:
        """Poll each kind separately; return the kinds that failed. Tokens come first: a revoked agent gets nothing."""
        now, failed = self._clock(), []
        self._tokens_due |= "devices" in kinds
        polls = {"commands": self._poller.poll_commands, "devices": self._poller.poll_devices}
        if self._tokens_due and at - self._tokens_at >= TOKENS_SECONDS:
            self._tokens_at, self._tokens_due = at, False
            polls = {"tokens": self._poller.poll_tokens, **polls}
        for kind, poller in polls.items():
            if kind != "tokens" and kind not in kinds:
                continue
            try:
                await poller(now)
            except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
                log.warning("the live channel cannot read %s (%r): trying again", kind, error)
                failed.append(kind)
            except Exception:
                log.exception("the live channel failed to read %s", kind)
                failed.append(kind)
        return failed
