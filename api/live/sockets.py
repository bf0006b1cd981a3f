"""An ASGI WebSocket with time limits for the handshake and for a client that does not read."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

from api.server.asgi import Receive, Scope, Send
from api.server.bounded_socket import BOUNDS

HANDSHAKE_SECONDS = 10.0
SEND_SECONDS = 10.0
MAX_BYTES = 1024 * 1024  # of one message, either way
MAX_BYTES_OF = {True: MAX_BYTES, False: 128 * 1024}  # of one message of an agent, of a person


class SlowClientError(Exception):
    """The client does not read its messages."""


class PatientSocket:
    """`receive` and `send` of one connection; after a time-out, both behave as if the client were disconnected."""

    def __init__(self, receive: Receive, send: Send, *, text_only: bool = False) -> None:
        """`text_only` ends a connection that sends anything else."""
        self._receive = receive
        self._text_only = text_only
        self._send = send
        self._gone = asyncio.Event()
        self._waiting: asyncio.Task[MutableMapping[str, Any]] | None = None
        self._deadline = asyncio.get_running_loop().call_later(HANDSHAKE_SECONDS, self._gone.set)

    def accepted(self, scope: Scope, *, is_agent: bool) -> None:
        """Allow larger messages, because the client is authenticated."""
        self._deadline.cancel()
        if BOUNDS in scope:  # not where a test calls the application itself
            scope[BOUNDS].allow(MAX_BYTES_OF[is_agent])

    def close(self) -> None:
        """End: the next `receive` reports that the client has gone."""
        self._deadline.cancel()
        self._gone.set()

    async def receive(self) -> MutableMapping[str, Any]:
        """Return the next message of the client, or that it has gone."""
        self._waiting = self._waiting or asyncio.ensure_future(self._receive())
        ended = asyncio.ensure_future(self._gone.wait())
        try:
            await asyncio.wait((self._waiting, ended), return_when=asyncio.FIRST_COMPLETED)
            if self._gone.is_set():
                self._waiting.cancel()
                return {"type": "websocket.disconnect", "code": 1006}
            message, self._waiting = await self._waiting, None
            if self._text_only and message.get("bytes") is not None:
                self.close()
                return {"type": "websocket.disconnect", "code": 1003}
            return message
        finally:
            ended.cancel()

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Send within the time that a client has; raises SlowClientError."""
        if self._gone.is_set() and message["type"] != "websocket.close":
            raise SlowClientError
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            self.close()
            raise SlowClientError from None
