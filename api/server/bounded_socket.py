"""uvicorn's WebSocket protocol with limits on the memory of one connection, before and after its token is verified.

uvicorn parses every frame of a read before the application receives a message: a read of 256 KiB may have 40,000 empty
frames, and empty fragments do not count towards the size of a message. This class parses the bytes in pieces, stops
while a message waits for the application, and parses nothing before the sender is verified, unless the application
receives messages of unverified senders.
"""

from typing import Any, ClassVar

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame
from websockets.http11 import Request

PIECE = 4 * 1024  # bytes that are parsed at once
UNKNOWN_BYTES = 16 * 1024  # of a message before its sender is authenticated: a token has up to 4 KiB
FRAGMENTS = 1024  # of a message
CONTROL_FRAMES = 60  # pings and pongs of a client at once; as many come back in a minute
CLOSE_SECONDS = 2.0  # for a client to answer our close
CLOSE_BYTES, CLOSE_PARSED = 1024 * 1024, 8 * 1024  # that may arrive until then, and that are parsed to find it
MAX_UNKNOWN = 1_000  # connections whose sender is not authenticated yet; beyond it the oldest is closed
BOUNDS = "rts.socket_bounds"  # where the ASGI scope has its BoundedWebSocket


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """A WebSocket for an application that calls `listen` and `allow` of the object under BOUNDS in its scope."""

    unknown: ClassVar[dict["BoundedWebSocket", None]] = {}  # of all connections of this process, the oldest first

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.close_timeout = CLOSE_SECONDS
        self.conn.max_message_size = UNKNOWN_BYTES
        self._unparsed = b""
        self._after_close = 0
        self._is_held = self._reading_held = False
        self._controls, self._controls_at = float(CONTROL_FRAMES), self.loop.time()

    def listen(self) -> None:
        """Accept small messages before the sender is authenticated."""
        self._is_held = False
        if self._reading_held:
            self._reading_held = False
            self.transport.resume_reading()
        self._parse()

    def allow(self, max_bytes: int) -> None:
        """Accept messages of up to `max_bytes`, because the application has verified the sender."""
        self.unknown.pop(self, None)
        self.conn.max_message_size = max_bytes
        self.listen()

    def handle_connect(self, event: Request) -> None:
        """Begin; nothing more is parsed until the application calls `listen` or `allow`, or closes."""
        super().handle_connect(event)
        if self.close_sent:
            return
        self.scope[BOUNDS] = self  # type: ignore[literal-required]  # our own key
        self._is_held = True
        self.unknown[self] = None
        if len(self.unknown) > MAX_UNKNOWN:
            oldest = next(iter(self.unknown))
            del self.unknown[oldest]
            oldest.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and break the cycle of parser and connection, which only the garbage collector would free."""
        self.unknown.pop(self, None)
        self._unparsed = b""
        self.frames.clear()
        self.conn.reader.buffer.clear()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived."""
        self._unparsed += data
        self._parse()
        if self._is_held and len(self._unparsed) > PIECE and not self._reading_held:
            self._reading_held = True
            self.transport.pause_reading()

    async def send(self, message: Any) -> None:
        """Send a message; after a close the client's own is awaited."""
        await super().send(message)
        if self.close_sent and self._is_held and not self.transport.is_closing():
            self.listen()

    async def receive(self) -> Any:
        """Return the next message; afterwards the rest of what arrived can be parsed."""
        message = await super().receive()
        self._parse()
        return message

    def _parse(self) -> None:
        """Parse until a message waits; after our close only to find the client's close."""
        while self._unparsed and not (self.read_paused or self._is_held or self.transport.is_closing()):
            piece, self._unparsed = self._unparsed[:PIECE], self._unparsed[PIECE:]
            if not self.close_sent or self._may_be_close(len(piece)):
                super().data_received(piece)

    def _may_be_close(self, size: int) -> bool:
        """Count bytes that arrive after our close; return whether they may hold the client's close."""
        self.frames.clear()
        self._after_close += size
        if self._after_close > CLOSE_BYTES:
            self.transport.abort()
        return self._after_close <= CLOSE_PARSED

    def handle_cont(self, event: Frame) -> None:
        """Take a fragment; a message has a bounded number of them."""
        if len(self.frames) >= FRAGMENTS:
            self._refuse(1009, "too many fragments")
        else:
            super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Hand a message on; one that is not UTF-8 ends the connection."""
        if self.curr_msg_data_type == "text":
            try:
                b"".join(self.frames).decode()
            except UnicodeDecodeError:
                self.frames = []
                self._refuse(1007, "not UTF-8")
                return
        super().send_receive_event_to_app()

    def handle_ping(self) -> None:
        """Answer a ping within the client's allowance."""
        if self._may_control():
            super().handle_ping()

    def handle_pong(self, event: Frame) -> None:
        """Take a pong within the client's allowance."""
        if self._may_control():
            super().handle_pong(event)

    def _may_control(self) -> bool:
        now = self.loop.time()
        earned = (now - self._controls_at) * CONTROL_FRAMES / 60
        self._controls, self._controls_at = min(CONTROL_FRAMES, self._controls + earned) - 1, now
        if self._controls < 0:
            self._refuse(1008, "too many control frames")
            return False
        return True

    def _refuse(self, code: int, reason: str) -> None:
        """Close, and read nothing more."""
        if self.close_sent or self.transport.is_closing():
            return
        self.conn.fail(code, reason)
        if self.conn.close_sent:
            self.handle_parser_exception()
        else:  # the handshake, or the client's own close, is still under way
            self.transport.close()
