"""Bounds on the bodies of all requests but uploads, which have their own."""

import re
from collections.abc import MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from ingest.body import Receive
from ingest.errors import BodyTooLargeError
from ingest.upload import Scope

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
        if taken > most:  # FastAPI, which reads the body, lets only this kind of error through
            raise HTTPException(413, f"The body is over {most} bytes.")
        return message

    return receive_within_bound
