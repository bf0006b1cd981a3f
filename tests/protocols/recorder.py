"""A proxy in front of a server: it records what a client really sent, so that a test can count it."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

SECOND = 1_000_000
HOP_BY_HOP = ("connection", "content-length", "host", "transfer-encoding", "content-encoding")


@dataclass(frozen=True)
class Sent:
    """One request and its answer; times are microseconds since 1970, on both sides of the server's receipt."""

    body: bytes  # not compressed
    status: int
    earliest: int
    latest: int

    @property
    def lines(self) -> list[str]:
        return self.body.decode().splitlines()

    def cell(self, seconds: int) -> int | None:
        """Return the cell of the receipt in Unix seconds; None for a request at the edge of two."""
        first, last = (at // (seconds * SECOND) * seconds for at in (self.earliest, self.latest))
        return first if first == last else None


@dataclass
class Recorder:
    """The address that the client is given, and the uploads that came through it."""

    url: str
    target: str
    sent: list[Sent] = field(default_factory=list)

    @property
    def stored(self) -> list[Sent]:
        """The uploads; fails where the server did not take one."""
        assert [one.status for one in self.sent if one.status >= 300] == []
        return list(self.sent)


def handler_of(recorder: Recorder, client: httpx.Client) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            earliest = time.time_ns() // 1000
            answer = client.request(self.command, recorder.target + self.path, headers=headers, content=body)
            if body:
                plain = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
                recorder.sent.append(Sent(plain, answer.status_code, earliest, time.time_ns() // 1000))
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            if answer.status_code != httpx.codes.NO_CONTENT:
                self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_GET = do_POST = do_HEAD = forward  # noqa: N815  http.server's names

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  its name there
            """Stay silent: the server has a log."""

    return Handler


@contextmanager
def recording(target: str) -> Iterator[Recorder]:
    """Forward requests to the server at `target` and record them until the end of the block."""
    one_request_a_connection = httpx.Limits(max_keepalive_connections=0)
    with (
        ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as proxy,
        httpx.Client(timeout=60, limits=one_request_a_connection) as client,
    ):
        recorder = Recorder(f"http://127.0.0.1:{proxy.server_port}", target)
        proxy.RequestHandlerClass = handler_of(recorder, client)
        proxy.daemon_threads = True
        thread = threading.Thread(target=proxy.serve_forever)
        thread.start()
        try:
            yield recorder
        finally:
            proxy.shutdown()
            thread.join()
