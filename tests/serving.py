"""Applications in this process: with other settings, and on a real port, for sockets and bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import uvicorn

from api.app import Application
from api.server.direct import DirectProtocol
from core.settings import Settings
from tests.whole.processes import free_port


@asynccontextmanager
async def started(settings: Settings, **changes: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Application]]:
    """Start an application with some settings changed; yield a client that calls it without sockets, and it."""
    application = Application(settings.model_copy(update=changes))
    async with (
        application.web.router.lifespan_context(application.web),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://test") as client,
    ):
        yield client, application


@asynccontextmanager
async def serving(application: Any, **options: Any) -> AsyncIterator[int]:
    """Serve `application`, which is started already, by the product's HTTP protocol; yield the port."""
    port = options.pop("port", None) or free_port()
    config = uvicorn.Config(application, port=port, lifespan="off", http=DirectProtocol, log_config=None, **options)
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  uvicorn has nothing else to wait for
        await asyncio.sleep(0.01)
    yield port
    server.should_exit = True
    await task
