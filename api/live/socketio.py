"""Socket.IO at `/agent-ws`: the same messages as events. Only over WebSocket, so that no balancer has to be sticky."""

import logging
from contextlib import suppress
from typing import Any

import socketio
from socketio.exceptions import ConnectionRefusedError as Refused

from api.live.clients import LiveClient, Message
from api.live.handlers import Handlers, error_message
from api.live.hub import Hub
from api.live.identity import identify
from api.live.notifications import NotifyListener
from api.live.plain import read_token, seconds_to_expiry
from api.live.polling import refuse_polling
from api.live.sockets import MAX_BYTES, PatientSocket
from api.server.asgi import Receive, Scope, Send, source_address
from api.server.bounded_socket import BOUNDS
from api.services import Services
from auth.tokens import Person
from core.errors import RtsError
from db.pools import database_errors

log = logging.getLogger(__name__)
packets = logging.getLogger(f"{__name__}.packets")  # the library's messages about malformed packets
packets.setLevel(logging.WARNING)

PATH = "agent-ws"
SOCKET = "rts.socket"  # where the ASGI scope keeps our end of the connection
PING_SECONDS = 20


def without_traceback(record: logging.LogRecord) -> bool:
    """Log an exception in one line: any client can cause one by a malformed packet."""
    if record.exc_info:
        record.msg, record.args = f"{record.getMessage()}: {record.exc_info[1]!r}", ()
        record.exc_info = None
    return True


packets.addFilter(without_traceback)


class SocketIoTransport:
    """Sends messages as events to one session."""

    def __init__(self, server: socketio.AsyncServer, session: str, socket: PatientSocket) -> None:
        self._server = server
        self._session = session
        self._socket = socket

    async def send(self, name: str, data: Message) -> None:
        """Send one event; returns when it is on its way."""
        await self._server.emit(name, data, to=self._session)

    async def close(self, code: int, reason: str) -> None:
        """Send the reason, then disconnect: Socket.IO has no close codes."""
        with suppress(Exception):
            await self._server.emit("closing", {"code": code, "reason": reason}, to=self._session)
            await self._server.disconnect(self._session)
        self._socket.close()


class SocketIoEndpoint:
    """The ASGI application at /agent-ws."""

    def __init__(self, services: Services, hub: Hub, handlers: Handlers, listener: NotifyListener) -> None:
        self._services = services
        self._hub = hub
        self._handlers = handlers
        self._listener = listener
        self._clients: dict[str, LiveClient] = {}
        self._server = socketio.AsyncServer(
            async_mode="asgi", transports=["websocket"], cors_allowed_origins=[], async_handlers=False,
            max_http_buffer_size=MAX_BYTES, ping_interval=PING_SECONDS, ping_timeout=PING_SECONDS,
            engineio_logger=packets,
        )  # fmt: skip
        self._server.on("connect", self._connect)
        self._server.on("disconnect", self._disconnect)
        self._server.on("*", self._take)
        self._application = socketio.ASGIApp(self._server, socketio_path=PATH)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; long polling is refused with the reason."""
        if scope["type"] != "websocket":
            await refuse_polling(scope, send)
            return
        # The library gathers the parts of binary events without a bound; nothing here is binary.
        socket = PatientSocket(receive, send, text_only=True)
        if BOUNDS in scope:
            scope[BOUNDS].listen()  # the token comes in a message
        try:
            await self._application({**scope, SOCKET: socket}, socket.receive, socket.send)
        except ValueError as error:  # the library raises it for any malformed packet
            log.info("a Socket.IO client sent no packet: %s", error)
        finally:
            socket.close()

    async def close(self) -> None:
        """End the background work of the library."""
        await self._server.shutdown()

    async def _connect(self, session: str, environ: dict[str, Any], auth: Any) -> None:
        scope = environ["asgi.scope"]
        token_value = auth.get("token") if isinstance(auth, dict) else None
        token = token_value if isinstance(token_value, str) else read_token(scope)
        try:
            with database_errors():
                identity = await identify(self._services, token, source_address(scope))
        except RtsError as error:
            self._services.refusals.note(scope, error, token)
            content = error_message("connect", error)
            raise Refused(content["message"], content) from None
        scope[SOCKET].accepted(scope, is_agent=not isinstance(identity, Person))
        client = LiveClient(identity, SocketIoTransport(self._server, session, scope[SOCKET]))
        self._clients[session] = client
        self._hub.join(client, seconds_to_expiry(identity, self._services.clock))
        self._listener.wake()

    async def _disconnect(self, session: str, reason: str) -> None:
        del reason
        client = self._clients.pop(session, None)
        if client:
            await self._handlers.on_disconnect(client)

    async def _take(self, event: str, session: str, *data: Any) -> Any:
        """Handle any event; the answer goes into the acknowledgement if the client requests one, else into an event."""
        client = self._clients.get(session)
        if client is None:
            return None
        answer, content = await self._handlers.take(client, event, data[0] if data else None)
        client.offer(answer, content)
        return {"type": answer, **content}
