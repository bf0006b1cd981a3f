"""An application on a real port of this process, for what an ASGI transport leaves out: sockets and bytes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from api.server.direct import DirectProtocol
from tests.whole.processes import free_port


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
