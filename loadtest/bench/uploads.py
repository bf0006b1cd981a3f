"""Durable uploads a second, of five samples each, beside the same HTTP server that answers without any work.

Both take turns, several times in one run; the figure is the ratio of the medians. Whether the client is what bounds it
is visible in its CPU: below 1.0 it waits for the server.
"""

import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
from rich.console import Console

from db.pools import SERVER_SETTINGS
from loadtest.bench.payloads import add_agents
from loadtest.bench.report import show
from loadtest.bench.serving import serving
from loadtest.bench.uploaders import UploadClient, Watched, cpu_seconds_by_name, shares, watched
from loadtest.databases import LoadDatabase
from loadtest.environment import free_port


@dataclass(frozen=True, slots=True)
class UploadsScale:
    """How long and how often is measured, with how many agents, connections and server processes."""

    seconds: float = 6.0
    rounds: int = 3
    agents: int = 2000
    connections: tuple[int, ...] = (64, 256)
    processes: tuple[int, ...] = (1, 2)


async def run(database: LoadDatabase, console: Console, scale: UploadsScale | None = None) -> dict[str, Any]:
    """Measure every number of processes and connections; returns settings, a row for each, and the best ratio."""
    scale = scale or UploadsScale()
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as directory:
        for workers in scale.processes:
            rows += await of_workers(database, scale, workers, Path(directory), console)
    show(console, "Durable uploads of five samples", rows)
    settings = asdict(scale) | {"samples": 5}
    return {"settings": settings, "results": rows, "best_ratio": max(row["ratio"] for row in rows)}


async def of_workers(
    database: LoadDatabase, scale: UploadsScale, workers: int, directory: Path, console: Console
) -> list[dict[str, Any]]:
    """Measure with one number of server processes."""
    with serving(database, {"RTS_WORKERS": str(workers)}, worker=True) as server, bare_server(workers) as bare:
        connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
        client = UploadClient(await add_agents(connection, server.tokens, scale.agents, 300), directory)
        processes = watched(database, connection, server)
        rows = []
        for connections in scale.connections:
            with console.status(f"{workers} processes, {connections} connections …"):
                both = partial(in_turn, client, bare, server.port, processes, connections, scale.seconds)
                rows.append(result_row(workers, connections, [both() for _ in range(scale.rounds)]))
        await connection.close()
    return rows


def in_turn(
    client: UploadClient, bare: "Bare", port: int, processes: Watched, connections: int, seconds: float
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Measure the bare server, then ours."""
    nothing = measured(partial(client.run, bare.port, seconds / 2, connections), {"server": psutil.Process(bare.pid)})
    return nothing, measured(partial(client.run, port, seconds, connections), processes)


def measured(run: Callable[[], dict[str, Any]], processes: Watched) -> dict[str, Any]:
    """Return what a run found, with the share of one core that each process used meanwhile."""
    before, began = cpu_seconds_by_name(processes), time.perf_counter()
    figures = run()
    return figures | shares(processes, before, time.perf_counter() - began)


def result_row(workers: int, connections: int, rounds: list[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, Any]:
    """Return one row of the result, of medians."""
    bare, durable = ([pair[which] for pair in rounds] for which in (0, 1))

    def median(rounds: list[dict[str, Any]], name: str) -> float:
        return round(float(statistics.median(one.get(name, 0) for one in rounds)), 2)

    rates = [one["per_second"] for one in durable]
    return {
        "processes": workers, "connections": connections, "bare_per_second": median(bare, "per_second"),
        "durable_per_second": median(durable, "per_second"), "spread": round((max(rates) - min(rates)) / max(rates), 2),
        "ratio": round(median(durable, "per_second") / median(bare, "per_second"), 2),
        "p50_ms": median(durable, "p50_ms"), "p99_ms": median(durable, "p99_ms"),
        "failed": sum(sum(one["failed"].values()) for one in durable),
        "server_cpu": median(durable, "server_cpu"), "database_cpu": median(durable, "database_cpu"),
        "server_us_per_upload": microseconds_each(durable, "server_cpu"),
        "database_us_per_upload": microseconds_each(durable, "database_cpu"),
        "bare_us_per_upload": microseconds_each(bare, "server_cpu"),
        "client_cpu": median(durable, "cpu"), "bare_server_cpu": median(bare, "server_cpu"),
        "bare_client_cpu": median(bare, "cpu"),
    }  # fmt: skip


def microseconds_each(rounds: list[dict[str, Any]], name: str) -> float:
    """Return the CPU time of one upload, the median of the rounds; on a busy machine it is more exact than a rate."""
    return round(float(statistics.median(1e6 * one.get(name, 0) / one["per_second"] for one in rounds)), 1)


@dataclass(frozen=True, slots=True)
class Bare:
    """Where the bare server listens, and its process id."""

    port: int
    pid: int


@contextmanager
def bare_server(workers: int) -> Iterator[Bare]:
    """Yield a bare server that accepts connections."""
    port = free_port()
    command = [sys.executable, "-m", "loadtest.bench.http_baseline", str(port), str(workers)]
    process = subprocess.Popen(command)  # noqa: S603
    try:
        wait_for(port)
        yield Bare(port, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def wait_for(port: int) -> None:
    """Wait until the port accepts connections; raises TimeoutError after 20 seconds."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise TimeoutError(f"no process listens on port {port}")
