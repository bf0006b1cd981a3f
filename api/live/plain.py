"""Plain JSON over a WebSocket at `/ws?token=…`: one object a message, its name in `type`."""

from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

import msgspec

from api.live.clients import TRY_AGAIN, UNAUTHORIZED, LiveClient, Message
from api.live.handlers import Handlers, error_message
from api.live.hub import Hub
from api.live.identity import Identity, identify
from api.live.notifications import NotifyListener
from api.live.sockets import PatientSocket, SlowClientError
from api.server.asgi import Receive, Scope, Send, source_address
from api.services import Services
from auth.tokens import Person
from core.clock import Clock
from core.errors import RtsError
from db.pools import database_errors

DECODER = msgspec.json.Decoder()


class PlainTransport:
    """Sends messages as text frames."""

    def __init__(self, socket: PatientSocket) -> None:
        self._socket = socket

    async def send(self, name: str, data: Message) -> None:
        text = msgspec.json.encode({"type": name, **data}).decode()
        await self._socket.send({"type": "websocket.send", "text": text})

    async def close(self, code: int, reason: str) -> None:
        with suppress(SlowClientError):
            await self._socket.send({"type": "websocket.close", "code": code, "reason": reason})
        self._socket.close()


class PlainEndpoint:
    """The ASGI application at /ws."""

    def __init__(self, services: Services, hub: Hub, handlers: Handlers, listener: NotifyListener) -> None:
        self._services = services
        self._hub = hub
        self._handlers = handlers
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection: accept it, because only then a refusal can carry a reason, then authenticate it."""
        socket = PatientSocket(receive, send)
        await socket.receive()
        await socket.send({"type": "websocket.accept"})
        transport = PlainTransport(socket)
        try:
            with database_errors():
                identity = await identify(self._services, read_token(scope), source_address(scope))
        except RtsError as error:
            self._services.refusals.note(scope, error, read_token(scope))
            await transport.send("error", error_message("connect", error))
            await transport.close(UNAUTHORIZED if error.status == 401 else TRY_AGAIN, error.code)
            return
        socket.accepted(scope, is_agent=not isinstance(identity, Person))
        client = LiveClient(identity, transport)
        self._hub.join(client, seconds_to_expiry(identity, self._services.clock))
        self._listener.wake()
        try:
            await self._serve(client, socket)
        finally:
            await self._handlers.on_disconnect(client)
            socket.close()

    async def _serve(self, client: LiveClient, socket: PatientSocket) -> None:
        while (message := await socket.receive())["type"] == "websocket.receive":
            content = read(message)
            name, number = content.pop("type", None), content.pop("id", None)
            answer, data = await self._handlers.take(client, name if isinstance(name, str) else "", content)
            client.offer(answer, {"id": number, **data})


def read(message: Any) -> dict[str, Any]:
    """Return the object of a frame; for anything else an empty one, for which there is no handler."""
    try:
        content = DECODER.decode(message.get("text") or message.get("bytes") or b"")
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return {}
    return content if isinstance(content, dict) else {}


def read_token(scope: Scope) -> str | None:
    """Return the token of a handshake: `Authorization: Bearer`, or `?token=`."""
    for name, value in scope["headers"]:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return str(value[7:].decode("latin-1")).strip()
    values = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token")
    return values[0] if values else None


def seconds_to_expiry(identity: Identity, clock: Clock) -> float | None:
    """Return the seconds until a person's token expires; None for an agent, whose token does not."""
    if isinstance(identity, Person):
        return max(0.0, (identity.expires_at - clock()).total_seconds())
    return None
