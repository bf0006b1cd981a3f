"""Composes the live channel: opened after the other services, closed before them."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import asyncpg

from api.live.changes import ChangePoller
from api.live.departures import watch_departures
from api.live.handlers import Handlers
from api.live.hub import Hub
from api.live.notifications import NotifyListener
from api.live.plain import PlainEndpoint
from api.live.scope_poller import ScopePoller
from api.live.scopes import Scopes
from api.live.socketio import PATH, SocketIoEndpoint
from api.server.asgi import Receive, Scope, Send
from api.services import CONNECT_TIMEOUT_SECONDS, Services
from db.pools import SERVER_SETTINGS, database_errors

SOCKET_IO_PATH = re.compile(rf"/{PATH}(/.*)?")


@dataclass(frozen=True, slots=True)
class Live:
    """The endpoints of the live channel, its hub and its listener."""

    hub: Hub
    listener: NotifyListener
    plain: PlainEndpoint
    socket_io: SocketIoEndpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve a connection if its path is one of the live channel's; return whether it was."""
        if scope["type"] == "websocket" and scope["path"] == "/ws":
            await self.plain(scope, receive, send)
        elif SOCKET_IO_PATH.fullmatch(scope["path"]):
            await self.socket_io(scope, receive, send)
        else:
            return False
        return True


@asynccontextmanager
async def open_live(services: Services) -> AsyncIterator[Live]:
    """Open the live channel; afterwards every socket is closed."""
    loop = asyncio.get_running_loop()
    hub = Hub()
    poller = ChangePoller(services.pool, hub, loop.time)
    listener = NotifyListener(lambda: connect(services.settings.database_url), poller, services.clock)
    scopes = Scopes(hub, ScopePoller(services.pool), services.clock)
    handlers = Handlers(services, hub, poller, scopes, loop.time)
    plain = PlainEndpoint(services, hub, handlers, listener)
    socket_io = SocketIoEndpoint(services, hub, handlers, listener)
    services.commits.after_group = listener.announce_uploads
    listener.start()
    departures = asyncio.create_task(
        watch_departures(hub, services.people, services.settings.people_cache_seconds), name="departures"
    )
    following = asyncio.create_task(scopes.run(), name="live scopes")
    try:
        yield Live(hub, listener, plain, socket_io)
    finally:
        for task in (departures, following):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await listener.close()
        await hub.close()
        await socket_io.close()


async def connect(dsn: str) -> asyncpg.Connection:
    """Open the connection that listens and announces, without synchronous commit: it writes no rows."""
    with database_errors():
        return await asyncpg.connect(
            dsn, timeout=CONNECT_TIMEOUT_SECONDS,
            server_settings=SERVER_SETTINGS | {"application_name": "rts-agents live", "synchronous_commit": "off"},
        )  # fmt: skip
