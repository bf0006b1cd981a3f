"""Changes for connected clients: read from the tables and compared with the last state sent.

A notification only means that something was committed. Nothing depends on its content, and a lost one does no harm:
each poll reads the present state, and reaches back a little for commits of other processes with slower clocks.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api.live.clients import UNAUTHORIZED, LiveClient, Message
from api.live.hub import Hub
from commands.delivery import handed_out, lease_commands, list_cancellations, release_commands
from core.newest_values import newest_values
from db.sql import load_beside

QUERIES = load_beside(__file__)
log = logging.getLogger(__name__)

OVERLAP = timedelta(seconds=60)
AGENTS_AT_ONCE = 500
UNCONFIRMED_SECONDS = 60.0  # longer than a dead line takes to be noticed: two pings


class ChangePoller:
    """Keeps the last state sent, and sends the differences."""

    def __init__(self, pool: asyncpg.Pool, hub: Hub, loop_time: Callable[[], float]) -> None:
        self._pool = pool
        self._hub = hub
        self._loop_time = loop_time
        self._devices: dict[UUID, tuple[Any, ...]] = {}
        self._commands: dict[UUID, datetime] = {}
        self._events: dict[int, datetime] = {}

    async def poll_commands(self, now: datetime) -> None:
        """Send waiting commands and cancellations to connected agents, and changes to followers."""
        agents = self._hub.agents()
        for start in range(0, len(agents), AGENTS_AT_ONCE):
            await self._deliver(agents[start : start + AGENTS_AT_ONCE], now)
        followed = self._hub.followed()
        if followed:
            for row in await self._pool.fetch(
                *QUERIES.bind("changed_commands", devices=followed, changed_since=now - OVERLAP)
            ):
                if self._commands.get(row["id"]) != row["changed_at"]:
                    self._commands[row["id"]] = row["changed_at"]
                    with apart("command", row["id"]):
                        self._hub.send_to_followers(
                            row["agent_device_id"], row["business_id"], "command_update", command_message(row)
                        )
        drop_old(self._commands, now)

    async def poll_devices(self, now: datetime) -> None:
        """Send new samples, changed states and events to followers."""
        followed = self._hub.followed()
        if not followed:
            return
        for row in await self._pool.fetch(*QUERIES.bind("device_states", devices=followed)):
            with apart("device", row["id"]):
                self._send_device_state(row)
        for row in await self._pool.fetch(*QUERIES.bind("new_events", devices=followed, received_since=now - OVERLAP)):
            if row["id"] not in self._events:
                self._events[row["id"]] = row["received_at"]
                with apart("event", row["id"]):
                    self._hub.send_to_followers(row["agent_device_id"], row["business_id"], "event", event_message(row))
        drop_old(self._events, now)
        for device in self._devices.keys() - set(followed):
            del self._devices[device]

    async def poll_tokens(self, now: datetime) -> None:
        """Close the sockets of agents whose token is no longer valid."""
        sockets = [socket for agent_id in self._hub.agents() for socket in self._hub.sockets_of(agent_id)]
        agents = list({socket.agent.agent_id for socket in sockets if socket.agent})
        rows = await self._pool.fetch(*QUERIES.bind("good_tokens", agents=agents, now=now)) if agents else []
        good = {(row["id"], token) for row in rows for token in (row["agent_token"], row["previous"])}
        for socket in sockets:  # only those open before the query: later ones may use a newer token
            if socket.agent and (socket.agent.agent_id, socket.agent.token.token_hash) not in good:
                socket.drop(UNAUTHORIZED, "the token is revoked")

    async def show(self, client: LiveClient, devices: list[UUID], unseen: list[UUID], now: datetime) -> None:
        """Send a client the state of the devices that it follows from now on; nobody followed `unseen` before."""
        for row in await self._pool.fetch(*QUERIES.bind("device_states", devices=devices)):
            if client.may_see(row["business_id"]):
                with apart("device", row["id"]):
                    client.offer_state("status", row["id"], status_message(row))
                    if row["current_collected_at"]:
                        client.offer_state("metrics", row["id"], metrics_message(row))
                self._devices.setdefault(row["id"], (compared_state(row), row["current_collected_at"]))
        # Changes from before the subscription are not sent.
        for row in await self._pool.fetch(*QUERIES.bind("new_events", devices=unseen, received_since=now - OVERLAP)):
            self._events[row["id"]] = row["received_at"]
        for row in await self._pool.fetch(
            *QUERIES.bind("changed_commands", devices=unseen, changed_since=now - OVERLAP)
        ):
            self._commands[row["id"]] = row["changed_at"]

    async def _deliver(self, agents: list[UUID], now: datetime) -> None:
        """Lease commands and send them; leases of commands that could not be sent are released at once."""
        undelivered: dict[UUID, list[UUID]] = defaultdict(list)
        for row in await lease_commands(self._pool, agents, now, "live"):
            handed = False
            with apart("command", row["id"]):
                handed = self._hand_out(row)
            if not handed:
                undelivered[row["agent_device_id"]].append(row["id"])
        for device, commands in undelivered.items():
            await release_commands(self._pool, device, commands, now)
        for row in await list_cancellations(self._pool, agents):
            for socket in self._hub.sockets_of(row["agent_device_id"])[-1:]:
                if row["id"] not in socket.sent_cancellations:
                    socket.sent_cancellations.add(row["id"])
                    socket.offer("command_cancel", {"command_id": str(row["id"])})

    def _hand_out(self, row: asyncpg.Record) -> bool:
        """Send a command to its agent's newest socket; return whether there is one."""
        for socket in self._hub.sockets_of(row["agent_device_id"])[-1:]:
            at = self._loop_time()
            recent = {
                command: since for command, since in socket.unconfirmed.items() if at - since < UNCONFIRMED_SECONDS
            }
            socket.unconfirmed = recent | {row["id"]: at}
            return socket.offer("command", handed_out(row))
        return False

    def _send_device_state(self, row: asyncpg.Record) -> None:
        state = compared_state(row)
        sent_state, sent_sample = self._devices.get(row["id"], (None, None))
        self._devices[row["id"]] = state, row["current_collected_at"]
        if sent_state != state:
            self._hub.send_state(row["id"], row["business_id"], "status", status_message(row))
        if row["current_collected_at"] and sent_sample != row["current_collected_at"]:
            self._hub.send_state(row["id"], row["business_id"], "metrics", metrics_message(row))


@contextmanager
def apart(kind: str, item: Any) -> Iterator[None]:
    """Log a row that cannot be sent instead of failing; it is tried again when it changes."""
    try:
        yield
    except Exception:
        log.exception("live channel: the %s %s cannot be shown", kind, item)


def compared_state(row: asyncpg.Record) -> tuple[Any, ...]:
    """Return the part of a device's state whose changes are sent."""
    return row["status"], row["clone_suspected_at"]


def status_message(row: asyncpg.Record) -> Message:
    """Return a device's state as a message for followers."""
    return {
        "agent_id": str(row["id"]), "status": row["status"], "changed_at": format_time(row["status_changed_at"]),
        "last_heartbeat": format_time(row["last_heartbeat"]),
        "clone_suspected_at": format_time(row["clone_suspected_at"]),
    }  # fmt: skip


def metrics_message(row: asyncpg.Record) -> Message:
    """Return a device's newest sample as a message for followers: one for each flush, not one for each row."""
    return {
        "agent_id": str(row["id"]), "collected_at": format_time(row["current_collected_at"]),
        "metrics": newest_values(row["current_metrics"]),
    }  # fmt: skip


def command_message(row: asyncpg.Record) -> Message:
    """Return a command's state as a message for followers, without parameters and outputs, which need rights."""
    return {
        "agent_id": str(row["agent_device_id"]), "command_id": str(row["id"]), "command_type": row["command_type"],
        "status": row["status"], "awaits_approval": row["awaits_approval"],
        "progress_percent": row["progress_percent"], "progress_message": row["progress_message"],
        "cancel_requested_at": format_time(row["cancel_requested_at"]), "exit_code": row["exit_code"],
        "started_at": format_time(row["started_at"]), "completed_at": format_time(row["completed_at"]),
    }  # fmt: skip


def event_message(row: asyncpg.Record) -> Message:
    return {
        "agent_id": str(row["agent_device_id"]), "event_type": row["event_type"],
        "timestamp": format_time(row["occurred_at"]), "data": msgspec.json.decode(row["data"]),
    }  # fmt: skip


def format_time(time: datetime | None) -> str | None:
    """Return a time as RFC 3339 in UTC."""
    return time.isoformat().replace("+00:00", "Z") if time else None


def drop_old(sent: dict[Any, datetime], now: datetime) -> None:
    """Delete entries older than any poll reaches back."""
    for key in [key for key, time in sent.items() if time < now - 2 * OVERLAP]:
        del sent[key]
