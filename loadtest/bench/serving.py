"""A server on the benchmark's own database, and calls to it by a client that costs little."""

import http.client
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

from auth.keys import KeyFile
from auth.tokens import Tokens
from core.clock import utc_now
from loadtest.databases import LoadDatabase
from loadtest.environment import running

# A benchmark plays a fleet from one place, as fast as it can.
NO_LIMITS = {
    f"RTS_{whose}_CALLS_PER_MINUTE": "100000000" for whose in ("AGENT", "PERSON", "BUSINESS")
} | {
    f"RTS_{whose}_{what}_PER_DAY": "0"
    for whose in ("DEVICE", "BUSINESS") for what in ("SAMPLES", "BYTES", "EVENTS", "SOFTWARE")
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class BenchServer:
    """A running server: its port, its process and, when there is one, its worker's, by name."""

    port: int
    pids: Mapping[str, int]
    tokens: Tokens

    @property
    def pid(self) -> int:
        """The server's process."""
        return self.pids["serve"]

    def person(self, user: UUID, business: UUID) -> str:
        claims = {"sub": str(user), "user_id": str(user), "business_id": str(business)}
        return self.tokens.issue_person(claims, utc_now(), timedelta(days=1))

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection that is kept open."""
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)


@contextmanager
def serving(
    database: LoadDatabase, settings: Mapping[str, str] | None = None, *, worker: bool = False
) -> Iterator[BenchServer]:
    """Yield a server on `database`; `settings` are environment variables, call limits and quotas are off."""
    with TemporaryDirectory(prefix="rts-bench-") as name:
        keys = Path(name) / "keys.json"
        KeyFile(keys).create()
        environment = NO_LIMITS | dict(settings or {})
        with running(Path(name), keys, database, settings=environment, worker=worker) as site:
            port = int(site.host.rpartition(":")[2])
            yield BenchServer(port, site.pids, Tokens(KeyFile(keys)))


def get(connection: http.client.HTTPConnection, path: str, token: str) -> bytes:
    """Return the body of an answer; raises RuntimeError unless it is 200."""
    connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    response = connection.getresponse()
    body = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: {response.status} {body[:500]!r}")
    return body
