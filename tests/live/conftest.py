"""The application on a real port, because a WebSocket needs a real server."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from api.app import Application
from api.live.sockets import MAX_BYTES
from api.server.bounded_socket import BoundedWebSocket
from tests.live.sockets import Socket, SocketIo
from tests.serving import serving

Open = Callable[[str], Awaitable[Socket]]
OpenSocketIo = Callable[[str], Awaitable[SocketIo]]


@pytest.fixture(scope="session")
async def live_port(application: Application) -> AsyncIterator[int]:
    """The port of the started application."""
    options = {"ws": BoundedWebSocket, "ws_max_size": MAX_BYTES, "timeout_graceful_shutdown": 5}
    async with serving(application, **options) as port:
        yield port


@pytest.fixture
async def open_socket(live_port: int) -> AsyncIterator[Open]:
    """Open plain sockets with a token; all are closed afterwards."""
    opened: list[Socket] = []

    async def open_one(token: str) -> Socket:
        opened.append(await Socket.open(f"ws://127.0.0.1:{live_port}/ws", token))
        return opened[-1]

    yield open_one
    for socket in opened:
        await socket.close()


@pytest.fixture
async def open_socket_io(live_port: int) -> AsyncIterator[OpenSocketIo]:
    """Open Socket.IO clients with a token; all are closed afterwards."""
    opened: list[SocketIo] = []

    async def open_one(token: str) -> SocketIo:
        client = SocketIo()
        await client.open(f"http://127.0.0.1:{live_port}", token)
        opened.append(client)
        return client

    yield open_one
    for client in opened:
        await client.close()
