"""Receivers of webhooks in a run: one answers at once, the other one only after the sender has given up."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

SLOW_SECONDS = 30.0
NETWORK = "127.0.0.0/8"  # the server refuses webhooks to internal addresses unless their network is a setting


@dataclass(frozen=True, slots=True)
class Receivers:
    """The addresses of both receivers."""

    quick: str
    slow: str


class QuickHandler(BaseHTTPRequestHandler):
    """Answers at once."""

    wait = 0.0

    def do_POST(self) -> None:
        """Read the message, wait, and answer."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(self.wait)
        try:
            self.send_response(204)
            self.end_headers()
        except OSError:
            return  # the sender has gone

    def log_message(self, *_: object) -> None:
        """Write no log."""


class SlowHandler(QuickHandler):
    """Answers when nobody waits any more."""

    wait = SLOW_SECONDS


@contextmanager
def receivers() -> Iterator[Receivers]:
    """Yield the addresses of two receivers on 127.0.0.1."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for handler in (QuickHandler, SlowHandler)]
    for server in servers:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
    try:
        quick, slow = (f"http://127.0.0.1:{server.server_address[1]}/hook" for server in servers)
        yield Receivers(quick, slow)
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
