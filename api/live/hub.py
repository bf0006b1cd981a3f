"""The clients of this process, the devices that each follows, and the last state sent to each.

All of it may be lost at any time: a client that reconnects receives everything from the tables. So processes need no
communication except for the database's NOTIFY.
"""

import asyncio
import logging
from collections.abc import Iterable
from uuid import UUID

from api.live.clients import GOING_AWAY, POLICY, UNAUTHORIZED, LiveClient, Message

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0
MAX_SOCKETS_OF = {True: 4, False: 50}  # of one agent, of one person
MAX_SUBSCRIPTIONS = 1000  # devices that one client may follow


class Hub:
    """The sockets of this process."""

    def __init__(self) -> None:
        self._clients: set[LiveClient] = set()
        self._sockets: dict[UUID | str, list[LiveClient]] = {}
        self._followers: dict[UUID, set[LiveClient]] = {}
        self._expiries: dict[LiveClient, asyncio.TimerHandle] = {}

    def join(self, client: LiveClient, lifetime: float | None) -> None:
        """Add a client; its socket is closed after `lifetime` seconds (None: its token does not expire).

        Only the newest sockets of an agent or a person stay open (MAX_SOCKETS_OF).
        """
        self._clients.add(client)
        client.start()
        sockets = self._sockets.setdefault(client.key, [])
        sockets.append(client)
        for old in sockets[: -MAX_SOCKETS_OF[client.agent is not None]]:
            old.drop(POLICY, "too many sockets")
        if lifetime is not None:
            loop = asyncio.get_running_loop()
            self._expiries[client] = loop.call_later(lifetime, client.drop, UNAUTHORIZED, "the token has expired")

    async def leave(self, client: LiveClient) -> None:
        """Remove a client whose socket has ended."""
        if client not in self._clients:
            return
        self._clients.discard(client)
        if expiry := self._expiries.pop(client, None):
            expiry.cancel()
        sockets = self._sockets[client.key]
        sockets.remove(client)
        if not sockets:
            del self._sockets[client.key]
        self.unfollow(client, list(client.subscribed))
        await client.stop()

    def follow(self, client: LiveClient, devices: Iterable[UUID]) -> None:
        """Add devices to those that a client follows; the caller has checked that it may see them."""
        for device in devices:
            client.subscribed.add(device)
            self._followers.setdefault(device, set()).add(client)

    def unfollow(self, client: LiveClient, devices: Iterable[UUID]) -> None:
        """Remove devices from those that a client follows."""
        for device in devices:
            client.subscribed.discard(device)
            followers = self._followers.get(device, set())
            followers.discard(client)
            if not followers:
                self._followers.pop(device, None)

    def count(self) -> tuple[int, int]:
        """Return the numbers of open sockets of agents and of people in this process."""
        agents = sum(client.agent is not None for client in self._clients)
        return agents, len(self._clients) - agents

    def people(self) -> list[LiveClient]:
        """Return the open sockets of people."""
        return [client for client in self._clients if client.person and client.is_open]

    def agents(self) -> list[UUID]:
        """Return the agents that have an open socket here."""
        return [key for key in self._sockets if isinstance(key, UUID) and self.sockets_of(key)]

    def sockets_of(self, agent_id: UUID) -> list[LiveClient]:
        """Return an agent's open sockets, the newest last; after a broken line an old one may still seem open."""
        return [client for client in self._sockets.get(agent_id, ()) if client.is_open]

    def is_followed(self, device: UUID) -> bool:
        """Return whether a socket of this process follows a device."""
        return device in self._followers

    def followed(self) -> list[UUID]:
        """Return the devices that a socket of this process follows."""
        return list(self._followers)

    def send_to_followers(self, device: UUID, business_id: UUID, name: str, data: Message) -> None:
        """Send a message to all clients that follow a device and may see this business."""
        for client in list(self._followers.get(device, ())):
            if client.may_see(business_id):
                client.offer(name, data)

    def send_state(self, device: UUID, business_id: UUID, name: str, data: Message) -> None:
        """Send a device's newest state to all followers who may see this business."""
        for client in self._followers.get(device, ()):
            if client.may_see(business_id):
                client.offer_state(name, device, data)

    async def close(self) -> None:
        """Close all sockets, because the server stops."""
        for client in list(self._clients):
            client.drop(GOING_AWAY, "the server is stopping")
        for client in list(self._clients):
            await client.closed(CLOSE_SECONDS)
            await self.leave(client)
