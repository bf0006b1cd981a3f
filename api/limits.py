"""A bound on the bodies of all requests but uploads, which have their own."""

from collections.abc import MutableMapping
from typing import Any

from starlette.exceptions import HTTPException

from ingest.body import Receive
from ingest.errors import BodyTooLargeError
from ingest.upload import Scope

MAX_BYTES = 256 * 1024


def limited(scope: Scope, receive: Receive) -> Receive:
    """Return `receive` with a bound; raises BodyTooLargeError at once for a body that announces more."""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    if not announced.isdigit() or int(announced) > MAX_BYTES:
        raise BodyTooLargeError(f"The body is over {MAX_BYTES} bytes.")
    taken = 0

    async def receive_within_bound() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BYTES:  # FastAPI, which reads the body, lets only this kind of error through
            raise HTTPException(413, f"The body is over {MAX_BYTES} bytes.")
        return message

    return receive_within_bound
