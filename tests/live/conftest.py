"""The application on a real port, because a WebSocket needs a real server."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import uvicorn

from api.app import Application
from api.corked import CorkedProtocol
from api.live.sockets import MOST_BYTES
from tests.live.sockets import Socket, SocketIo
from tests.whole.processes import free_port

Open = Callable[[str], Awaitable[Socket]]
OpenSocketIo = Callable[[str], Awaitable[SocketIo]]


@pytest.fixture(scope="session")
async def live_port(application: Application) -> AsyncIterator[int]:
    """The port of the started application."""
    port = free_port()
    config = uvicorn.Config(
        application, port=port, lifespan="off", http=CorkedProtocol, ws="websockets-sansio",
        ws_max_size=MOST_BYTES, log_config=None, timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has nothing else to wait for
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await serving


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
