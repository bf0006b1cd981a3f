"""The system under test: a new database, server and worker, or a running server."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from auth.keys import KeyFile
from db.migrations.run import upgrade
from demo.processes import Processes, is_up, wait_until
from loadtest.cpu import cpu_seconds
from loadtest.databases import LoadDatabase, fresh_database
from loadtest.proxy import DatabaseProxy

START_SECONDS = 60.0


@dataclass(slots=True)
class LoadEnvironment:
    """Where the run aims at. `dsn` leads to the database directly, the server may go by way of `proxy`."""

    host: str
    dsn: str
    keys: Path
    kind: str  # `embedded` or `server`
    processes: Processes | None = None  # None: a server that isn't the run's own
    proxy: DatabaseProxy | None = None
    pids: dict[str, int] = field(default_factory=dict)

    @property
    def own(self) -> bool:
        """True when database and server are the run's own."""
        return self.processes is not None

    def stop(self) -> None:
        """End server and worker: uploads that have arrived are committed first."""
        if self.processes:
            self.processes.stop()


@contextmanager
def own_site(directory: Path, *, proxied: bool, settings: Mapping[str, str] | None = None) -> Iterator[LoadEnvironment]:
    """Yield a server and a worker on a fresh database; all is gone afterwards."""
    keys = directory / "keys.json"
    KeyFile(keys).create()
    with fresh_database() as database:
        upgrade(database.dsn)
        if proxied:
            with DatabaseProxy(database.dsn) as proxy, running(directory, keys, database, proxy, settings) as site:
                yield site
        else:
            with running(directory, keys, database, None, settings) as site:
                yield site


@contextmanager
def running(
    directory: Path,
    keys: Path,
    database: LoadDatabase,
    proxy: DatabaseProxy | None = None,
    settings: Mapping[str, str] | None = None,
    *,
    worker: bool = True,
) -> Iterator[LoadEnvironment]:
    """Yield a site whose server and worker (unless there is to be none) run, with settings (`RTS_…`) of their own."""
    port = free_port()
    host = f"http://127.0.0.1:{port}"
    environment = {
        "DATABASE_URL": proxy.dsn if proxy else database.dsn, "RTS_KEYS_FILE": str(keys), "RTS_PUBLIC_URL": host,
        **(settings or {}),
    }  # fmt: skip
    processes = Processes(directory, environment)
    try:
        processes.start("serve", "--port", str(port))
        wait_until(lambda: is_up(host), processes, START_SECONDS)
        if worker:
            processes.start("worker")
        pids = processes.pids() | ({"database": database.pid} if database.pid else {})
        yield LoadEnvironment(host, database.dsn, keys, database.kind, processes, proxy, pids)
    finally:
        processes.stop()


def free_port() -> int:
    """Return a free port on 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def cpu_of_each(pids: Mapping[str, int]) -> dict[str, float]:
    """Return the CPU time that processes have used so far; those that are gone are left out."""
    seconds = {}
    for name, pid in pids.items():
        with suppress(psutil.NoSuchProcess):
            seconds[name] = cpu_seconds(psutil.Process(pid))
    return seconds
