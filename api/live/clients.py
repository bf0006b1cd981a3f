"""One open socket with a bounded queue of messages; a client that does not keep up is disconnected.

Only the newest state of each device is queued, in the place of the previous one. So a client that follows many devices
gets late states, but does not use more memory.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal, Protocol
from uuid import UUID

from api.live.identity import Identity, LiveAgent
from api.rate_limits import Buckets
from auth.tokens import Person

log = logging.getLogger(__name__)

Message = dict[str, Any]

QUEUED_MESSAGES = 512  # answers, commands, events; states of devices come on top, two for each device followed
SEND_SECONDS = 10.0
MESSAGES_PER_MINUTE = 600
MAX_REFUSED = 50  # messages over the rate that are refused before the socket is closed

# Close codes: RFC 6455, section 7.4.1; from 4000 on they are ours.
GOING_AWAY, POLICY, TRY_AGAIN, UNAUTHORIZED, SLOW = 1001, 1008, 1013, 4401, 4408


class Transport(Protocol):
    """Sends messages to a client, as plain JSON or as Socket.IO events."""

    async def send(self, name: str, data: Message) -> None:
        """Send one message; returns when it is on its way."""
        ...

    async def close(self, code: int, reason: str) -> None:
        """End the connection."""
        ...


@dataclass(frozen=True, slots=True)
class FollowedScope:
    """A scope that a person follows: the fleet or all alerts, of all visible businesses or of one."""

    name: Literal["fleet", "alerts"]
    business_id: UUID | None = None


class LiveClient:
    """A socket and its agent or person."""

    def __init__(self, identity: Identity, transport: Transport) -> None:
        self.who = identity
        self.subscribed: set[UUID] = set()
        self.scopes: set[FollowedScope] = set()
        # Commands handed to this socket that its agent hasn't begun yet → when, by the event loop's clock.
        self.unconfirmed: dict[UUID, float] = {}
        self._transport = transport
        self.sent_cancellations: set[UUID] = set()
        self._waiting: dict[object, tuple[str, Message]] = {}  # in the order in which they go out
        self._queued = 0  # number of these that are not states
        self._ready = asyncio.Event()
        self._rate = Buckets(MESSAGES_PER_MINUTE)
        self._refused = 0
        self._pump: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    @property
    def agent(self) -> LiveAgent | None:
        """The agent of the socket, None for a person."""
        return self.who if isinstance(self.who, LiveAgent) else None

    @property
    def key(self) -> UUID | str:
        """The key by which sockets are counted: an agent's id, or a person's subject."""
        return self.who.agent_id if isinstance(self.who, LiveAgent) else self.who.subject

    @property
    def person(self) -> Person | None:
        """The person of the socket, None for an agent."""
        return self.who if isinstance(self.who, Person) else None

    def may_see(self, business_id: UUID) -> bool:
        return self.person is not None and self.person.tenant in (None, business_id)

    @property
    def is_open(self) -> bool:
        """Whether messages can be offered."""
        return self._closing is None

    def start(self) -> None:
        """Start the task that sends queued messages."""
        self._pump = asyncio.create_task(self._send_on(), name="live client")

    def offer(self, name: str, data: Message) -> bool:
        """Queue a message; a client whose queue is full is dropped. Return whether it was queued."""
        if self._closing:
            return False
        if self._queued >= QUEUED_MESSAGES:
            self.drop(SLOW, "too slow")
            return False
        self._queued += 1
        self._waiting[object()] = name, data
        self._ready.set()
        return True

    def offer_state(self, name: str, subject: UUID | FollowedScope, data: Message) -> None:
        """Queue the newest state of a device or scope, in the place of an older one that is not sent yet."""
        if not self._closing:
            self._waiting[name, subject] = name, data
            self._ready.set()

    def has_waiting(self, name: str, subject: UUID | FollowedScope) -> bool:
        """Return whether such a state is queued because the client has not read earlier messages."""
        return (name, subject) in self._waiting

    def wait_seconds(self) -> float:
        """Count a message of this client; return 0.0, or how long it has to wait when there are too many."""
        wait = self._rate.take("messages")
        self._refused = self._refused + 1 if wait else 0
        if self._refused > MAX_REFUSED:
            self.drop(POLICY, "too many messages")
        return wait

    def drop(self, code: int, reason: str) -> None:
        """Close the socket without waiting for it."""
        if not self._closing:
            log.info("closing a live socket: %s", reason)
            self._closing = asyncio.create_task(self._close(code, reason), name="live close")

    async def closed(self, seconds: float) -> None:
        """Wait until the socket is closed after `drop`, at most `seconds`."""
        if self._closing:
            await asyncio.wait((self._closing,), timeout=seconds)

    async def stop(self) -> None:
        """End its tasks; the socket is closed already, or is being closed."""
        for task in (self._pump, self._closing):
            if task and task is not asyncio.current_task():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    async def _send_on(self) -> None:
        try:
            while True:
                await self._ready.wait()
                key = next(iter(self._waiting))
                name, data = self._waiting.pop(key)
                self._queued -= not isinstance(key, tuple)
                if not self._waiting:
                    self._ready.clear()
                async with asyncio.timeout(SEND_SECONDS):
                    await self._transport.send(name, data)
        except TimeoutError:
            self.drop(SLOW, "too slow")
        except Exception as error:  # noqa: BLE001  whatever the transport raises, the socket is gone
            self.drop(GOING_AWAY, f"the socket failed: {error!r}")

    async def _close(self, code: int, reason: str) -> None:
        with suppress(Exception):
            async with asyncio.timeout(SEND_SECONDS):
                await self._transport.close(code, reason)
