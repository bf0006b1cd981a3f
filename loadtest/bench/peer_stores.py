"""Other stores of time series, as Debian packages them: started on loopback with data in a temporary folder."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from loadtest.environment import free_port

START_SECONDS = 30.0
INFLUX_CONFIG = """\
reporting-disabled = true
bind-address = "127.0.0.1:{rpc}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[logging]
  level = "error"
"""


@dataclass(frozen=True, slots=True)
class StoreKind:
    """How a store is started and asked; `arguments` takes its folder and port."""

    name: str
    package: str
    programs: tuple[str, ...]
    before_fsync: bool
    arguments: Callable[[Path, int], list[str]]
    health: str
    prepare: Callable[[httpx.Client], object]
    count: Callable[[httpx.Client], int]

    def command(self) -> str | None:
        """Return the path of the store's program; None when it is not installed."""
        return next((path for name in self.programs if (path := shutil.which(name))), None)


@dataclass(frozen=True, slots=True)
class Store:
    """A running store."""

    kind: StoreKind
    port: int
    pid: int

    def count(self) -> int:
        """Return how many samples it has."""
        with client_of(self.port) as client:
            return self.kind.count(client)


def influx_arguments(folder: Path, port: int) -> list[str]:
    config = folder / "influxdb.conf"
    config.write_text(INFLUX_CONFIG.format(folder=folder, port=port, rpc=free_port()))
    return ["-config", str(config)]


def victoria_arguments(folder: Path, port: int) -> list[str]:
    return [f"-storageDataPath={folder}", f"-httpListenAddr=127.0.0.1:{port}", "-loggerLevel=ERROR"]


def count_influx(client: httpx.Client) -> int:
    answer = client.get("/query", params={"db": "rts", "q": "SELECT count(cpu_percent) FROM metrics"}).json()
    return int(answer["results"][0]["series"][0]["values"][0][1])


def count_victoria(client: httpx.Client) -> int:
    """Return the number of stored samples, after flushing those in memory."""
    client.get("/internal/force_flush").raise_for_status()
    query = {"query": "sum(count_over_time(metrics_cpu_percent[1d]))"}
    answer = client.get("/api/v1/query", params=query | {"time": str(int(time.time()) + 3600)}).json()
    return int(float(answer["data"]["result"][0]["value"][1]))


STORES = (
    StoreKind(
        "VictoriaMetrics", "victoria-metrics", ("victoria-metrics", "victoria-metrics-prod"), True, victoria_arguments,
        "/health", lambda _: None, count_victoria,
    ),
    StoreKind(
        "InfluxDB 1", "influxdb", ("influxd",), False, influx_arguments,
        "/ping", lambda client: client.post("/query", params={"q": "CREATE DATABASE rts"}).raise_for_status(),
        count_influx,
    ),
)  # fmt: skip


@contextmanager
def running_store(kind: StoreKind, directory: Path) -> Iterator[Store]:
    """Yield a store that accepts writes to the database `rts`; raises TimeoutError when it does not start."""
    program = kind.command()
    assert program
    folder, port = directory / kind.package, free_port()
    folder.mkdir()
    arguments = [program, *kind.arguments(folder, port)]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        with client_of(port) as client:
            wait_for(client, kind)
            kind.prepare(client)
        yield Store(kind, port, process.pid)
    finally:
        process.terminate()
        process.wait(30)


def client_of(port: int) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False)


def wait_for(client: httpx.Client, kind: StoreKind) -> None:
    """Wait until a store answers; raises TimeoutError."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if client.get(kind.health).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"{kind.name} does not answer")
