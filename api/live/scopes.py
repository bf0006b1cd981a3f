"""Scopes of the live channel: clients follow the whole fleet or all alerts, and get one frame of changes a second.

The tables are read at most once a second, and for at most a twentieth of the time. A frame has only the changes since
the previous one; a client reads the whole list over HTTP first, and again when a frame has `more`.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from api.live.clients import FollowedScope, LiveClient, Message
from api.live.hub import Hub
from core.clock import Clock
from db.pools import CONNECTION_ERRORS

log = logging.getLogger(__name__)

POLL_SECONDS = 1.0
PAUSE_FACTOR = 20.0  # pause after a poll, as a multiple of its duration
MAX_DEVICES = 1000  # of one frame
ALL_SCOPES = frozenset({"fleet", "alerts"})


@dataclass(slots=True)
class ScopeChanges:
    """The result of one poll: (business, content) of each change, and numbers for employees only (None: unchanged).

    `more` names the scopes whose followers must read the whole again, since changes were missed.
    """

    as_of: datetime
    devices: list[tuple[UUID, Message]]
    alerts: list[tuple[UUID, Message]]
    awaiting_approval: int | None
    registration: list[Message]
    more: frozenset[str] = frozenset()


class ChangeSource(Protocol):
    """Finds the changes since the previous poll."""

    def forget(self) -> None:
        """Drop the state, so that the next poll is a first one."""
        ...

    async def poll(self, now: datetime) -> ScopeChanges:
        """Return the changes; a first poll finds none."""
        ...


class Scopes:
    """The loop that polls while a client follows a scope, and sends each client the changes that it may see."""

    def __init__(self, hub: Hub, source: ChangeSource, clock: Clock) -> None:
        self._hub = hub
        self._source = source
        self._clock = clock
        self._followed = asyncio.Event()
        self._polling = asyncio.Lock()
        self._missed = False
        self._pause = POLL_SECONDS

    async def follow(self, client: LiveClient, scope: FollowedScope) -> datetime:
        """Add a scope to a client; returns the time from which on changes are sent."""
        if self._followed.is_set():
            client.scopes.add(scope)
            return self._clock()
        async with self._polling:
            # Of many clients that begin at once, one polls: the first would miss the changes that a second poll finds.
            if not self._followed.is_set():
                await self._source.poll(self._clock())
            client.scopes.add(scope)
            self._followed.set()
        return self._clock()

    async def run(self) -> None:
        """Poll once a second while there are followers."""
        while True:
            await self._followed.wait()
            try:
                await self._turn()
            except CONNECTION_ERRORS as error:
                log.warning("the scopes of the live channel cannot be read: %r", error)
                self._missed = True
            except Exception:
                log.exception("reading the scopes of the live channel failed")
                self._missed = True
            await asyncio.sleep(self._pause)

    async def _turn(self) -> None:
        """Poll once and send the changes; without followers, clear the last state."""
        async with self._polling:
            followers = [client for client in self._hub.people() if client.scopes]
            if not followers:
                self._followed.clear()
                self._source.forget()
                return
            changes = await self._timed_poll()
        if self._missed:
            changes.more, self._missed = ALL_SCOPES, False
        for client in followers:
            for scope in list(client.scopes):
                send(client, scope, changes)

    async def _timed_poll(self) -> ScopeChanges:
        """Poll, and set the pause by its duration, without the time of waiting for the lock."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            return await self._source.poll(self._clock())
        finally:
            self._pause = max(POLL_SECONDS, PAUSE_FACTOR * (loop.time() - began))


def holds(client: LiveClient, scope: FollowedScope, business_id: UUID) -> bool:
    """Return whether data of a business belongs to a client's scope."""
    return client.may_see(business_id) and scope.business_id in (None, business_id)


def send(client: LiveClient, scope: FollowedScope, changes: ScopeChanges) -> None:
    """Send a client the changes of one of its scopes; if it has not read the frame before, ask it to read the list."""
    frame = fleet_frame(client, scope, changes) if scope.name == "fleet" else alerts_frame(client, scope, changes)
    if frame is None:
        return
    if client.has_waiting(scope.name, scope):
        frame = {"as_of": frame["as_of"], "devices": [], "changed": [], "more": True}
    client.offer_state(scope.name, scope, frame)


def fleet_frame(client: LiveClient, scope: FollowedScope, changes: ScopeChanges) -> Message | None:
    """Return the message with the changed devices and numbers of a scope; None without changes."""
    devices = [content for business, content in changes.devices if holds(client, scope, business)]
    frame: Message = {
        "as_of": format_value(changes.as_of), "devices": devices[:MAX_DEVICES],
        "more": "fleet" in changes.more or len(devices) > MAX_DEVICES,
    }  # fmt: skip
    if is_employee(client):
        if changes.awaiting_approval is not None:
            frame["commands_awaiting_approval"] = changes.awaiting_approval
        if changes.registration:
            frame["registration"] = changes.registration
    return frame if devices or frame["more"] or len(frame) > 3 else None


def alerts_frame(client: LiveClient, scope: FollowedScope, changes: ScopeChanges) -> Message | None:
    """Return the message with the changed alerts of a scope; None without changes."""
    changed = [content for business, content in changes.alerts if holds(client, scope, business)]
    frame: Message = {
        "as_of": format_value(changes.as_of), "changed": changed[:MAX_DEVICES],
        "more": "alerts" in changes.more or len(changed) > MAX_DEVICES,
    }  # fmt: skip
    return frame if changed or frame["more"] else None


def is_employee(client: LiveClient) -> bool:
    """Return whether an employee is behind a socket."""
    return client.person is not None and client.person.employee_id is not None


def format_value(value: Any) -> Any:
    """Return a time as RFC 3339 in UTC, anything else as it is."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value
