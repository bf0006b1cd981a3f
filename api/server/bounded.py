"""The HTTP protocol with bounds before authentication: time for a head, its size, time to take an answer.

uvicorn limits none of these: a connection that sends half a head, or nothing, would stay open for ever, and one header
could have any length. Timers run only while a connection waits, so a request that arrives whole costs none.
"""

import asyncio
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.server.corked import CorkedTransport

HEAD_BYTES = 64 * 1024  # of the request line and all headers; also of what a chunked body has beside its content
HEADERS = 128
LINGER_SECONDS = 5.0  # for the rest of a refused body, so that its sender can read the answer
WRITE_SECONDS = 20.0  # for a client that does not read its answer
MAX_WAITING = 2_000  # connections without a head; beyond it the oldest is closed

# Headers that a request has once: of two, a proxy and the readers here might use different ones.
ONCE = frozenset({b"authorization", b"content-encoding", b"content-type", b"host", b"origin"})

REFUSALS = {
    400: (b"Bad Request", b"repeated_header", b"A header that a request has once is there several times."),
    408: (b"Request Timeout", b"head_too_slow", b"The head of the request did not arrive in time."),
    431: (b"Request Header Fields Too Large", b"head_too_large", b"The head of the request is too large."),
}


class HeadTooLargeError(Exception):
    """The head has more bytes or headers than the server reads."""


class RepeatedHeaderError(Exception):
    """A header of ONCE is there several times."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol on a corked transport, with bounds; a WebSocket that it becomes keeps the transport."""

    head_seconds: ClassVar[float] = 10.0  # of all connections of this process; set at start from RTS_HEAD_SECONDS
    waiting: ClassVar[dict["BoundedProtocol", asyncio.TimerHandle]] = {}  # of all connections, the oldest first

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; a head must come in time."""
        self._direct = transport
        self._in_head = False
        self._head_bytes = self._header_count = self._unparsed = self._body_parts = 0
        self._linger: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._refused = self._upgraded = self._repeats = False
        super().connection_made(CorkedTransport(transport, asyncio.get_running_loop()))  # type: ignore[arg-type]
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and cancel every timer."""
        self._head_has_come()
        for timer in (self._linger, self._writing):
            if timer:
                timer.cancel()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; afterwards a request is running, a head is awaited, or a pause is timed."""
        if self._refused:
            return
        before = self._body_parts
        super().data_received(data)
        if self._upgraded or self._direct.is_closing():
            return
        if self._in_head or (self._body_parts == before and self._body_is_open):
            self._unparsed += len(data)  # the parser keeps a header, or a trailer, until it is complete
            if self._unparsed > HEAD_BYTES:
                self._refuse(431)
                return
        if self._in_head or (self._is_idle and not self.timeout_keep_alive_task):
            self._await_head()

    def handle_websocket_upgrade(self) -> None:
        self._upgraded = True
        super().handle_websocket_upgrade()

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        self._in_head = True
        self._head_bytes = self._header_count = self._unparsed = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request line."""
        self._count_head(len(url))
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header; a trailer of a chunked body is counted, and left out: it would pass for a header.

        uvicorn's method is repeated here: this one runs for each header of each upload, and calls cost most of it.
        """
        self._header_count += 1
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > HEAD_BYTES or self._header_count > HEADERS:
            raise HeadTooLargeError
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """End the head: its time is no longer measured."""
        names = [name for name, _ in self.headers if name in ONCE]
        if len(names) != len(set(names)):
            self._repeats = True
            raise RepeatedHeaderError
        self._end_head()
        super().on_headers_complete()

    def _end_head(self) -> None:
        self._in_head = False
        self._unparsed = 0
        self._head_has_come()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body_parts += 1
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the request; if its answer is complete too, await the next one."""
        super().on_message_complete()
        if self._is_answered:
            self.cycle.more_body = False  # uvicorn keeps it true, and the connection would never be idle again
        if self._linger:
            self._linger.cancel()
            self._linger = None
            if self._is_idle:
                self._await_head()

    def on_response_complete(self) -> None:
        """End the answer; for a while receive and drop the rest of an unread body."""
        still_open = self.cycle.response_complete and self.cycle.more_body
        super().on_response_complete()
        if still_open and not self._direct.is_closing() and not self._linger:
            self._unset_keepalive_if_required()
            self._linger = self.loop.call_later(LINGER_SECONDS, self._direct.close)

    # Bounds.

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)

    @property
    def _is_answered(self) -> bool:
        return self.cycle is not None and self.cycle.response_complete

    @property
    def _body_is_open(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _count_head(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES:
            raise HeadTooLargeError

    def send_400_response(self, msg: str) -> None:
        """Refuse bytes that are not HTTP; a head that is too large has its own status."""
        if self._header_count > HEADERS or self._head_bytes > HEAD_BYTES:
            self._refuse(431)
        elif self._repeats:
            self._refuse(400)
        else:
            super().send_400_response(msg)

    def _await_head(self) -> None:
        if self in self.waiting:
            return
        self.waiting[self] = self.loop.call_later(self.head_seconds, self._head_is_late)
        if len(self.waiting) > MAX_WAITING:
            next(iter(self.waiting))._head_is_late()

    def _head_has_come(self) -> None:
        timer = self.waiting.pop(self, None)
        if timer:
            timer.cancel()

    def _head_is_late(self) -> None:
        self._head_has_come()
        if self._in_head:
            self._refuse(408)
        else:
            self._direct.close()  # no request, so no answer

    def _refuse(self, status: int) -> None:
        """Answer once, then close; bytes that arrive afterwards are not read."""
        self._refused = True
        self._head_has_come()
        if self._direct.is_closing():
            return
        self._direct.pause_reading()
        if not self.cycle or self.cycle.response_complete:
            self.transport.write(refusal(status))
        self.transport.close()
        self.loop.call_later(WRITE_SECONDS, self._direct.abort)

    def pause_writing(self) -> None:
        """Give a client that does not read its answer WRITE_SECONDS to continue."""
        super().pause_writing()
        self._writing = self._writing or self.loop.call_later(WRITE_SECONDS, self._direct.abort)

    def resume_writing(self) -> None:
        """Cancel that time limit: the client continues to read."""
        if self._writing:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()


def refusal(status: int) -> bytes:
    """Return a complete answer for a request that no application sees."""
    phrase, code, message = REFUSALS[status]
    body = b'{"error":{"code":"%s","message":"%s","details":null}}' % (code, message)
    return (
        b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s"
        % (status, phrase, len(body), body)
    )  # fmt: skip
