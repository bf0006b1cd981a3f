"""ASGI for handlers that no framework calls: its types, the token of a request, complete JSON answers."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

import msgspec

from core.errors import RtsError, UnauthorizedError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = (b"content-type", b"application/json")
NOSNIFF = (b"x-content-type-options", b"nosniff")


def bearer_token(header: bytes) -> str:
    """Return the token of an Authorization header; raises UnauthorizedError."""
    scheme, _, token = header.partition(b" ")
    if scheme.lower() != b"bearer" or not token:
        raise UnauthorizedError
    try:
        return token.strip().decode("ascii")
    except UnicodeDecodeError:
        raise UnauthorizedError from None


async def refuse(send: Send, error: RtsError, retry_after_seconds: int) -> None:
    """Send an error as one complete answer."""
    headers = [(name.lower().encode(), value.encode()) for name, value in error.headers(retry_after_seconds).items()]
    await answer(send, error.status, msgspec.json.encode(error.as_json()), headers)


async def answer(send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
    """Send one complete JSON answer."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [JSON, NOSNIFF, length, *headers]})
    await send({"type": "http.response.body", "body": body})
