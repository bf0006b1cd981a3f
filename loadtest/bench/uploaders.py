"""What the upload benchmarks share: a fleet with tokens, a server under test, and the hammer as a process."""

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import psutil

from agents.keys import KeyFile
from agents.tokens import Tokens
from db.clock import utc_now
from loadtest.bench.hammer import Orders
from loadtest.databases import Database
from loadtest.plan import LoadSettings, Member
from loadtest.site import Site, running
from loadtest.tenants import QUERIES, add_devices, make_member

LIMITS = {"RTS_AGENT_CALLS_PER_MINUTE": "1000000", "RTS_BUSINESS_CALLS_PER_MINUTE": "100000000"}  # nobody is refused
AT_ONCE = 10_000
TENANTS = 100


@contextmanager
def bench_site(database: Database, workers: int) -> Iterator[Site]:
    """Yield a server of some processes, and a worker, on the database of a benchmark."""
    with TemporaryDirectory(prefix="rts-bench-") as directory:
        keys = Path(directory) / "keys.json"
        KeyFile(keys).create()
        with running(Path(directory), keys, database, settings=LIMITS | {"RTS_WORKERS": str(workers)}) as site:
            yield site


async def add_agents(connection: asyncpg.Connection, site: Site, count: int, now: datetime) -> list[tuple[str, str]]:
    """Write devices of a hundred businesses, and return their ids and tokens."""
    tokens = Tokens(KeyFile(site.keys))
    settings = LoadSettings(agents=count)
    businesses = [uuid4() for _ in range(settings.tenants)]
    await connection.execute(QUERIES["add_businesses"], businesses, [f"bench {n}" for n in range(len(businesses))])
    members: list[Member] = [make_member(number, settings, tokens, now) for number in range(count)]
    for start in range(0, count, AT_ONCE):
        some = members[start : start + AT_ONCE]
        await add_devices(connection, some, businesses, [300] * len(some), now)
    await connection.execute("ANALYZE agent_devices")
    return [(member.agent_id, member.token) for member in members]


class Client:
    """Starts the hammer; remembers how many rounds the agents have sent, so that no sample comes twice."""

    def __init__(self, agents: Sequence[tuple[str, str]], directory: Path) -> None:
        self._agents = list(agents)
        self._directory = directory
        self._first = utc_now().timestamp() - 300
        self._rounds = 0

    def run(self, port: int, seconds: float, connections: int, rate: float | None = None) -> dict[str, Any]:
        """Send uploads for some seconds; returns what the hammer found (see `hammer.main`)."""
        outcome = self._directory / "outcome.json"
        orders = Orders(
            port, self._agents, self._first, seconds, connections, str(outcome), rate, rounds_before=self._rounds
        )
        path = self._directory / "orders.json"
        path.touch(mode=0o600)  # it holds tokens
        path.write_bytes(msgspec.json.encode(orders))
        subprocess.run([sys.executable, "-m", "loadtest.bench.hammer", str(path)], check=True)  # noqa: S603
        found: dict[str, Any] = json.loads(outcome.read_text())
        self._rounds += found["answers"] // len(self._agents) + 2
        return found


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process and its children, also those that have ended, have used so far."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        with_children = child.cpu_times()
        total += with_children.user + with_children.system
    return float(total)


def postmaster_pid(database: Database) -> int | None:
    """Return the process id of the database server where it runs on this machine."""
    if database.pid:
        return database.pid
    for process in psutil.process_iter(["name", "ppid"]):
        if process.info["name"] == "postgres" and process.children():
            return int(process.pid)
    return None
