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
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, ClassVar
from typing import Protocol as Interface

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.server.bounded import BoundedProtocol
from api.server.upload_heads import UploadHead, UploadHeads

UPLOAD_URL = re.compile(rb"/api/agents/([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})/metrics")
MAX_DIRECT_BYTES = 16 * 1024  # of a body, packed and unpacked; larger ones take turns (api/uploads.py)
BODY_SECONDS = 0.25  # for the rest of a body; afterwards its pace is measured (api/server/body_pace.py)
# A request with one of these is not usual. `Connection` only matters by what the parser makes of it.
ASGI_HEADERS = frozenset({b"transfer-encoding", b"expect", b"upgrade"})

Headers = Iterable[tuple[bytes, bytes]]


class Exchange(Interface):
    """What an upload does with its request in the end; one of the two."""

    def answer(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """Write the answer."""

    def hand_over(self) -> None:
        """Let ASGI handle the request."""


class DirectUpload(Interface):
    """One upload, whose sender is verified."""

    def take(self, body: bytes) -> None:
        """Take the whole body; answers sooner or later, or hands over."""


class DirectUploads(Interface):
    """What handles uploads without ASGI."""

    def open(self, agent_id: str, authorization: bytes, encoding: bytes, exchange: Exchange) -> DirectUpload | None:
        """Return an upload whose sender is verified; None when ASGI is to handle, and so to refuse, the request."""


class NoEvent:
    """Stands for the event of a cycle: nobody waits for the parts of a body."""

    def set(self) -> None:
        """Do nothing."""


class DirectExchange:
    """A request and its answer, in the place of uvicorn's RequestResponseCycle."""

    __slots__ = (
        "body", "disconnected", "headers", "keep_alive", "more_body", "path", "protocol", "response_complete", "timer",
        "upload",
    )  # fmt: skip
    message_event: ClassVar[NoEvent] = NoEvent()

    def __init__(self, protocol: "DirectProtocol", head: UploadHead, *, keep_alive: bool) -> None:
        self.protocol = protocol
        self.headers, self.path = head.headers, head.path
        self.keep_alive = keep_alive
        self.body = b""
        self.more_body = True
        self.disconnected = self.response_complete = False
        self.upload: DirectUpload | None = None
        self.timer: asyncio.TimerHandle | None = None

    def hand_over(self) -> None:
        """Let ASGI handle the request, as if it had done so from the beginning."""
        self.upload = None
        self.stop_timer()
        if not self.response_complete:
            self.protocol.hand_over(self)

    def answer(self, status: int, body: bytes, headers: Headers = ()) -> None:
        """Write the answer, unless the client is gone, and continue with the connection."""
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

    parsed_heads: ClassVar[UploadHeads] = UploadHeads()  # of all connections of this process

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; what handles uploads is the same for the whole connection."""
        super().connection_made(transport)
        self.url, self.headers, self.expect_100_continue = b"", [], False  # the parser may never see the first request
        self._uploads = uploads_of(self.app) if not self.root_path else None
        self._head: tuple[Any, bytes, bytes] = (None, b"", b"")
        self._begins = b""  # what arrived, while its first bytes are those of the next head

    def connection_lost(self, exc: Exception | None) -> None:
        """End, and cancel the timer of a body."""
        exchange = self._exchange()
        if exchange:
            exchange.stop_timer()
            exchange.upload = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what arrived; a body that isn't whole now has a moment."""
        is_next = self._is_between_messages and self._is_free()
        if is_next and self._take_parsed(data):
            return
        self._begins = data if is_next else b""
        super().data_received(data)
        exchange = self._exchange()
        if exchange and exchange.more_body and not exchange.response_complete and not exchange.timer:
            exchange.timer = self.loop.call_later(BODY_SECONDS, exchange.hand_over)

    def on_message_begin(self) -> None:
        """Begin a head, as BoundedProtocol does, but without the scope, which a usual upload does not need."""
        self._in_head = True
        self._head_bytes = self._header_count = self._unparsed = 0
        self.url, self.headers, self.expect_100_continue = b"", [], False

    def on_headers_complete(self) -> None:
        """End a head: begin an exchange if it is that of a usual upload."""
        exchange = self._begin_exchange()
        self._begins = b""
        if exchange is None:
            self._make_scope(self.headers)
            super().on_headers_complete()
            return
        self._end_head()
        self.cycle = exchange  # type: ignore[assignment]  # has what uvicorn's protocol uses of a cycle

    def on_message_complete(self) -> None:
        """End a request: the upload takes its body, or ASGI does."""
        exchange = self._exchange()
        if exchange is None or exchange.response_complete or not exchange.upload:
            super().on_message_complete()
            return
        exchange.more_body = False
        exchange.stop_timer()
        exchange.upload.take(exchange.body)

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body; that of an upload is bounded by its length."""
        exchange = self._exchange()
        if exchange is None or exchange.response_complete:
            super().on_body(body)
            return
        self._body_parts += 1
        self._unparsed = 0
        exchange.body = exchange.body + body if exchange.body else body

    def write_answer(self, exchange: DirectExchange, status: int, body: bytes, headers: Headers) -> None:
        """Write an answer in one piece, after what is held back, and await the next request."""
        if exchange.timer:
            exchange.stop_timer()
        if self._direct.is_closing():
            return
        defaults, good = self._heads()
        if status == 200 and exchange.keep_alive and not headers:
            head = good
        else:
            lines = [b"%s: %s\r\n" % pair for pair in headers]
            lines += () if exchange.keep_alive else (b"connection: close\r\n",)
            head = b"".join((STATUS_LINES[status], defaults, *lines, JSON_LINES))
        self.transport.flush()  # type: ignore[attr-defined]  # a corked one
        self._direct.write(b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body))
        if not exchange.keep_alive:
            self.transport.close()
        self.on_response_complete()

    def _exchange(self) -> DirectExchange | None:
        cycle: object = self.cycle
        return cycle if type(cycle) is DirectExchange else None

    def _begin_exchange(self) -> DirectExchange | None:
        """Return the exchange of a usual upload; None when ASGI is to handle the request."""
        match = UPLOAD_URL.fullmatch(self.url) if self._is_free() else None
        if not match or self.parser.get_method() != b"POST" or self.parser.get_http_version() != "1.1":
            return None
        headers = dict(self.headers)
        if len(headers) != len(self.headers):
            return None
        length = headers.get(b"content-length", b"")
        if not ASGI_HEADERS.isdisjoint(headers) or not length.isdigit() or int(length) > MAX_DIRECT_BYTES:
            return None
        head = UploadHead(
            match[1].decode(), headers.get(b"authorization", b""), headers.get(b"content-encoding", b"").lower(),
            self.url, self.headers,
        )  # fmt: skip
        exchange = self._open(head, keep_alive=self.parser.should_keep_alive())
        if exchange and exchange.keep_alive:
            self.parsed_heads.add(self._begins, head)
        return exchange

    def _open(self, head: UploadHead, *, keep_alive: bool) -> DirectExchange | None:
        """Return the exchange of an upload; None when its sender is to be refused."""
        exchange = DirectExchange(self, head, keep_alive=keep_alive)
        assert self._uploads
        exchange.upload = self._uploads.open(head.agent_id, head.authorization, head.encoding, exchange)
        return exchange if exchange.upload else None

    def _take_parsed(self, data: bytes) -> bool:
        """Take a whole upload whose head was parsed before, without the parser; return whether it is one.

        The parser is between two messages then and remains there.
        """
        head, body = self.parsed_heads.split(data)
        exchange = self._open(head, keep_alive=True) if head and len(body) <= MAX_DIRECT_BYTES else None
        if not exchange or not exchange.upload:
            return False
        self._head_has_come()
        self._unset_keepalive_if_required()
        self.cycle = exchange  # type: ignore[assignment]  # has what uvicorn's protocol uses of a cycle
        exchange.more_body = False
        exchange.body = body
        exchange.upload.take(body)
        return True

    @property
    def _is_between_messages(self) -> bool:
        is_open = not (self._refused or self._upgraded or self._direct.is_closing())
        return is_open and not self._in_head and self._is_idle

    def _is_free(self) -> bool:
        """Return whether nothing of this connection waits to be answered or written."""
        waits = self.cycle is not None and not self.cycle.response_complete
        return self._uploads is not None and not waits and not self.pipeline and not self.flow.write_paused

    def hand_over(self, exchange: DirectExchange) -> None:
        """Let ASGI handle a request, in its place among the connection's requests."""
        if self._direct.is_closing():
            return
        scope, path = self._make_scope(exchange.headers), exchange.path
        scope.update(method="POST", path=path.decode(), raw_path=path, query_string=b"")
        cycle = RequestResponseCycle(
            scope=scope, transport=self.transport, flow=self.flow, logger=self.logger,
            access_logger=self.access_logger, access_log=self.access_log,
            default_headers=self.server_state.default_headers, message_event=asyncio.Event(),
            expect_100_continue=False, keep_alive=exchange.keep_alive, on_response=self.on_response_complete,
        )  # fmt: skip
        cycle.body += exchange.body
        cycle.more_body = exchange.more_body
        if exchange.body or not exchange.more_body:
            cycle.message_event.set()
        if self._exchange() is exchange:
            self.cycle = cycle
        self._start_asgi_task(cycle, self.app)

    def _make_scope(self, headers: list[tuple[bytes, bytes]]) -> Any:
        """Return the scope that uvicorn makes at the beginning of a request; what was parsed since then stays."""
        parsed = self.url, self.headers, self.expect_100_continue
        HttpToolsProtocol.on_message_begin(self)
        self.url, self.headers, self.expect_100_continue = parsed
        self.scope["headers"] = headers
        return self.scope

    def _heads(self) -> tuple[bytes, bytes]:
        """Return the headers of every answer, and all that a usual good one begins with.

        uvicorn makes a new list of the former each second.
        """
        defaults = self.server_state.default_headers
        if self._head[0] is not defaults:
            lines = b"".join(b"%s: %s\r\n" % pair for pair in defaults)
            self._head = defaults, lines, STATUS_LINES[200] + lines + JSON_LINES
        return self._head[1:]


def uploads_of(app: Any) -> DirectUploads | None:
    """Return what handles uploads of an application, which middleware may surround; None when it has none."""
    while app is not None and not hasattr(app, "direct_uploads"):
        app = getattr(app, "app", None)
    uploads: DirectUploads | None = getattr(app, "direct_uploads", None)
    return uploads


JSON_LINES = b"content-type: application/json\r\nx-content-type-options: nosniff\r\n"
STATUS_LINES = {status.value: b"HTTP/1.1 %d %s\r\n" % (status.value, status.phrase.encode()) for status in HTTPStatus}
