"""Bounds on the bodies of all requests but uploads, which have their own."""

import asyncio
import re
from collections.abc import MutableMapping
from typing import Any

from api.server.asgi import Receive, Scope
from api.server.body_errors import BodyTooLargeError

MAX_BYTES = 256 * 1024
# What agents send may be larger: a path, and the most bytes there.
LARGER = (
    (re.compile(r"/api/agents/[^/]+/inventory/software"), 4 * 1024 * 1024),  # 10,000 entries, about 200 bytes each
    (re.compile(r"/api/agents/[^/]+/commands/[^/]+/result"), 4 * 1024 * 1024),  # outputs, which are cut when stored
)


def most_bytes(path: str) -> int:
    """Return how many bytes a body may have on this path."""
    return next((most for pattern, most in LARGER if pattern.fullmatch(path)), MAX_BYTES)


def limited(scope: Scope, receive: Receive) -> Receive:
    """Return `receive` with a bound; raises BodyTooLargeError at once for a body that announces more."""
    most = most_bytes(scope["path"])
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > most:
        raise BodyTooLargeError(f"The body is over {most} bytes.")
    taken = 0

    async def receive_within_bound() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > most:
            raise BodyTooLargeError(f"The body is over {most} bytes.")
        return message

    return receive_within_bound


async def gathered(receive: Receive, patience_seconds: float) -> Receive:
    """Read the whole body before the time for the request itself begins: a slow line is no slow database.

    Raises TimeoutError when no byte comes for `patience_seconds`, and what `receive` raises.
    """
    messages: list[MutableMapping[str, Any]] = []
    more = True
    while more:
        async with asyncio.timeout(patience_seconds):
            messages.append(await receive())
        more = messages[-1].get("more_body", False)

    async def replay() -> MutableMapping[str, Any]:
        return messages.pop(0) if messages else await receive()

    return replay
