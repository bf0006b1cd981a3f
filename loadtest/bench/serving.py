"""A server on the benchmark's own database, without a worker, and calls to it by a client that costs little."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

from agents.keys import KeyFile
from agents.tokens import Tokens
from db.clock import utc_now
from demo.processes import Processes, is_up, wait_until
from loadtest.databases import Database
from loadtest.site import START_SECONDS, free_port

# A benchmark plays a fleet from one place, as fast as it can.
NO_LIMITS = {
    f"RTS_{whose}_CALLS_PER_MINUTE": "100000000" for whose in ("AGENT", "PERSON", "BUSINESS")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Server:
    """A running server process."""

    port: int
    pid: int
    tokens: Tokens

    def person(self, business: UUID) -> str:
        """Return the token of a user of a business."""
        claims = {"sub": str(uuid4()), "user_id": str(uuid4()), "business_id": str(business)}
        return self.tokens.issue_person(claims, utc_now(), timedelta(days=1))

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that is kept open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


@contextmanager
def serving(database: Database, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """Yield a server on `database`; `settings` are environment variables, call limits are off."""
    with TemporaryDirectory() as name:
        directory, port = Path(name), free_port()
        host, keys = f"http://127.0.0.1:{port}", directory / "keys.json"
        KeyFile(keys).create()
        environment = {"DATABASE_URL": database.dsn, "RTS_KEYS_FILE": str(keys), "RTS_PUBLIC_URL": host}
        processes = Processes(directory, environment | NO_LIMITS | dict(settings or {}))
        try:
            processes.start("serve", "--port", str(port))
            wait_until(lambda: is_up(host), processes, START_SECONDS)
            yield Server(port, processes.pids()["serve"], Tokens(KeyFile(keys)))
        finally:
            processes.stop()


def get(connection: http.client.HTTPConnection, path: str, token: str) -> bytes:
    """Return the body of an answer; raises RuntimeError unless it is 200."""
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status} {body[:500]!r}")
    return body


def loads(body: bytes) -> Any:
    """Return what JSON says."""
    return json.loads(body)
