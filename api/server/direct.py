"""The HTTP protocol with the upload path in itself: no scope, no task and no coroutine for a usual upload.

The seam: `DirectProtocol.on_headers_complete` puts a `DirectExchange` where uvicorn keeps the cycle of a request, when
the request is an upload with a small body of known length. Everything else stays ASGI, and what turns out to be unusual
(a body that is slow, or large once it is unpacked) is handed over to ASGI as if it had been there from the beginning.
So chunked bodies, `Expect`, pipelined requests, deadlines and large bodies have one implementation, and the parser,
keep-alive, drain and bounds of heads are uvicorn's and BoundedProtocol's for both. tests/api/test_direct.py compares
the parts of uvicorn that this file relies on with those that it was written for.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any, ClassVar
from typing import Protocol as Interface

from api.server.bounded import BoundedProtocol

UPLOAD_URL = re.compile(rb"/api/agents/([0-9A-Za-z-]{36})/metrics")
MAX_DIRECT_BYTES = 16 * 1024  # of a body, packed and unpacked; larger ones take turns (api/uploads.py)
BODY_SECONDS = 0.25  # for the rest of a body; afterwards its pace is measured (api/server/body_pace.py)
# A request with one of these is not usual. `Connection` only matters by what the parser makes of it.
ASGI_HEADERS = frozenset({b"transfer-encoding", b"expect", b"upgrade"})

Headers = Iterable[tuple[bytes, bytes]]
Answer = Callable[[int, bytes, Headers], None]


class DirectUpload(Interface):
    """One upload, whose head was accepted."""

    def take(self, body: bytes) -> bool:
        """Take the whole body and answer sooner or later; False: nothing was done, hand the request over to ASGI."""


class DirectUploads(Interface):
    """What handles uploads without ASGI."""

    def open(self, agent_id: str, authorization: bytes, encoding: bytes, answer: Answer) -> DirectUpload | None:
        """Return an upload whose sender is verified; None when it was refused and the answer is given."""


class NoEvent:
    """Stands for the event of a cycle: nobody waits for the parts of a body."""

    def set(self) -> None:
        """Do nothing."""


class DirectExchange:
    """A request and its answer, in the place of uvicorn's RequestResponseCycle."""

    __slots__ = ("body", "disconnected", "keep_alive", "more_body", "protocol", "response_complete", "timer", "upload")
    message_event: ClassVar[NoEvent] = NoEvent()

    def __init__(self, protocol: "DirectProtocol", *, keep_alive: bool) -> None:
        self.protocol = protocol
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = self.response_complete = False
        self.upload: DirectUpload | None = None
        self.timer: asyncio.TimerHandle | None = None

    def answer(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """Write the answer, unless the client is gone, and go on with the connection."""
        self.upload = None  # it holds this method: a cycle, which only the garbage collector would free
        if not self.response_complete:
            self.response_complete = True
            self.protocol.write_answer(self, status, body, headers)

    def stop_timer(self) -> None:
        """Forget the time for the rest of the body."""
        if self.timer:
            self.timer.cancel()
            self.timer = None


class DirectProtocol(BoundedProtocol):
    """BoundedProtocol, and uploads of the application's `direct_uploads` without ASGI."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; what handles uploads is the same for the whole connection."""
        super().connection_made(transport)
        self._uploads = uploads_of(self.app) if not self.root_path else None
        self._head: tuple[Any, bytes] = (None, b"")

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and forget the timer of a body."""
        exchange = self._exchange()
        if exchange:
            exchange.stop_timer()
            exchange.upload = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; a body that isn't whole now has a moment."""
        super().data_received(data)
        exchange = self._exchange()
        if exchange and exchange.more_body and not exchange.response_complete and not exchange.timer:
            exchange.timer = self.loop.call_later(BODY_SECONDS, self._hand_over)

    def on_headers_complete(self) -> None:
        """End a head: begin an exchange if it is that of a usual upload."""
        usual = self._usual_upload()
        if usual is None:
            super().on_headers_complete()
            return
        self._end_head()
        uploads, agent_id, headers = usual
        exchange = DirectExchange(self, keep_alive=self.parser.should_keep_alive())
        self.cycle = exchange  # type: ignore[assignment]  # has what uvicorn's protocol uses of a cycle
        authorization, encoding = headers.get(b"authorization", b""), headers.get(b"content-encoding", b"")
        upload = uploads.open(agent_id, authorization, encoding.lower(), exchange.answer)
        exchange.upload = None if exchange.response_complete else upload

    def on_message_complete(self) -> None:
        """End a request: the upload takes its body, or ASGI does."""
        super().on_message_complete()
        exchange = self._exchange()
        if exchange and exchange.upload and not exchange.response_complete:
            exchange.stop_timer()
            if not exchange.upload.take(exchange.body):
                self._hand_over()

    def write_answer(self, exchange: DirectExchange, status: int, body: bytes, headers: Headers) -> None:
        """Write an answer in one piece, after what is held back, and await the next request."""
        exchange.stop_timer()
        if self._direct.is_closing():
            return
        lines = [STATUS_LINES[status], self._default_lines()]
        lines += [b"%s: %s\r\n" % pair for pair in headers]
        if not exchange.keep_alive:
            lines.append(b"connection: close\r\n")
        lines.append(b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        self.transport.flush()  # type: ignore[attr-defined]  # a corked one
        self._direct.write(b"".join(lines))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _exchange(self) -> DirectExchange | None:
        cycle: object = self.cycle
        return cycle if type(cycle) is DirectExchange else None

    def _usual_upload(self) -> tuple[DirectUploads, str, dict[bytes, bytes]] | None:
        """Return what handles the request, its device and headers; None when ASGI is to handle it."""
        waits = self.cycle is not None and not self.cycle.response_complete
        if self._uploads is None or waits or self.pipeline or self.flow.write_paused:
            return None
        found = UPLOAD_URL.fullmatch(self.url)
        if not found or self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        headers = dict(self.headers)
        length = headers.get(b"content-length", b"")
        if not ASGI_HEADERS.isdisjoint(headers) or not length.isdigit() or int(length) > MAX_DIRECT_BYTES:
            return None
        return self._uploads, found[1].decode(), headers

    def _hand_over(self) -> None:
        """Let ASGI handle the request, as if it had done so from the beginning."""
        exchange = self._exchange()
        if exchange is None or exchange.response_complete:
            return
        exchange.stop_timer()
        exchange.upload = None
        self.cycle = None  # type: ignore[assignment]
        super().on_headers_complete()
        self.cycle.body += exchange.body
        self.cycle.more_body = exchange.more_body
        self.cycle.keep_alive = exchange.keep_alive
        if exchange.body or not exchange.more_body:
            self.cycle.message_event.set()

    def _default_lines(self) -> bytes:
        """Return the headers of every answer; uvicorn makes a new list of them each second."""
        defaults = self.server_state.default_headers
        if self._head[0] is not defaults:
            self._head = defaults, b"".join(b"%s: %s\r\n" % pair for pair in defaults)
        return self._head[1]


def uploads_of(app: Any) -> DirectUploads | None:
    """Return what handles uploads of an application, which middleware may surround; None when it has none."""
    while app is not None and not hasattr(app, "direct_uploads"):
        app = getattr(app, "app", None)
    uploads: DirectUploads | None = getattr(app, "direct_uploads", None)
    return uploads


STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
