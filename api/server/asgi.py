"""Helpers for plain ASGI handlers: types, address and token of a caller, complete JSON answers."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import ip_address
from typing import Any

import msgspec

from core.errors import RtsError, UnauthorizedError

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = (b"content-type", b"application/json")
NOSNIFF = (b"x-content-type-options", b"nosniff")


def source_address(scope: Scope) -> str | None:
    """Return the address of the caller; behind a proxy that RTS_TRUSTED_PROXIES names, the client's own.

    None if it is not an IP address, such as a Unix socket or a proxy's `unknown`.
    """
    client = scope.get("client")
    try:
        return str(ip_address(client[0])) if client else None
    except ValueError:
        return None


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
