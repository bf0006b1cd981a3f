"""Durable uploads beside other stores on the same machine, which get the same samples from the same client, in turns.

A store that is not installed is left out, with a line that says so. Each answers at another point: the product after
COMMIT with fsync, InfluxDB 1 after fsync of its write-ahead log, VictoriaMetrics before it writes to the disk.
"""

import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
from rich.console import Console

from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.bench.payloads import UploadingAgent, add_agents
from loadtest.bench.peer_stores import STORES, running_store
from loadtest.bench.report import show
from loadtest.bench.requests import SAMPLES
from loadtest.bench.serving import BenchServer, serving
from loadtest.bench.uploaders import UploadClient, Watched, cpu_seconds_by_name, shares, watched
from loadtest.databases import LoadDatabase

QUERIES = load_beside(__file__, "peers.sql")


@dataclass(frozen=True, slots=True)
class PeersScale:
    """How long and how often each is measured, with how many agents, connections and server processes."""

    seconds: float = 6.0
    rounds: int = 3
    agents: int = 2000
    connections: tuple[int, ...] = (64, 256, 512)
    processes: int = 2


@dataclass(slots=True)
class PeerTarget:
    """One of those that take turns; `before_fsync`: it answers before the samples are on the disk."""

    name: str
    before_fsync: bool
    port: int
    client: UploadClient
    processes: Watched
    acknowledged: int = 0  # samples


async def run(database: LoadDatabase, console: Console, scale: PeersScale | None = None) -> dict[str, Any]:
    """Measure every number of connections; returns settings, a row for each target, and its stored samples."""
    scale = scale or PeersScale()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        server = stack.enter_context(serving(database, {"RTS_WORKERS": str(scale.processes)}, worker=True))
        connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
        agents = await add_agents(connection, server.tokens, scale.agents, 300)
        targets = [product(database, connection, server, agents, directory)]
        stores = [stack.enter_context(running_store(kind, directory)) for kind in STORES if kind.command()]
        for store in stores:
            client = UploadClient(agents, directory, "influx")
            targets.append(
                PeerTarget(
                    store.kind.name, store.kind.before_fsync, store.port, client, {"server": psutil.Process(store.pid)}
                )
            )
        for kind in STORES:
            if not kind.command():
                console.print(f"{kind.name} is not installed ({kind.package}): it is left out.")
        rows = measure(console, scale, targets)
        stored = {"product": await connection.fetchval(QUERIES["count_samples"])}
        stored |= {store.kind.name: store.count() for store in stores}
        await connection.close()
    show(console, "Uploads of five samples with eleven values", rows)
    samples = [
        {"target": target.name, "acknowledged": target.acknowledged, "stored": stored[target.name]}
        for target in targets
    ]
    show(console, "Samples: the last uploads of each turn are stored, but their answers are not awaited", samples)
    return {"settings": asdict(scale) | {"samples": SAMPLES}, "results": rows, "samples": samples}


def product(
    database: LoadDatabase,
    connection: asyncpg.Connection,
    server: BenchServer,
    agents: Sequence[UploadingAgent],
    directory: Path,
) -> PeerTarget:
    """Return the product itself as a target."""
    return PeerTarget(
        "product", False, server.port, UploadClient(agents, directory), watched(database, connection, server)
    )


def measure(console: Console, scale: PeersScale, targets: Sequence[PeerTarget]) -> list[dict[str, Any]]:
    """Return a row for each target and number of connections; the rounds of all targets alternate."""
    rows = []
    for connections in scale.connections:
        rounds: dict[str, list[dict[str, Any]]] = {target.name: [] for target in targets}
        for number in range(scale.rounds):
            with console.status(f"{connections} connections, round {number + 1} of {scale.rounds} …"):
                for target in targets:
                    rounds[target.name].append(turn(target, scale.seconds, connections))
        product_rate = median(rounds["product"], "per_second")
        rows += [result_row(target, connections, rounds[target.name], product_rate) for target in targets]
    return rows


def turn(target: PeerTarget, seconds: float, connections: int) -> dict[str, Any]:
    """Send uploads to one target; returns the client's figures with the share of a core of each process."""
    before = cpu_seconds_by_name(target.processes)
    figures = target.client.run(target.port, seconds, connections)
    target.acknowledged += SAMPLES * (figures["answers"] - sum(figures["failed"].values()))
    return figures | shares(target.processes, before, seconds)


def result_row(
    target: PeerTarget, connections: int, rounds: Sequence[dict[str, Any]], product_rate: float
) -> dict[str, Any]:
    """Return one row of the result, of medians; `product_rate` is the product's with as many connections."""
    rates = [one["per_second"] for one in rounds]
    rate = median(rounds, "per_second")
    server, database = median(rounds, "server_cpu"), median(rounds, "database_cpu")
    return {
        "target": target.name, "connections": connections,
        "answers": "before fsync" if target.before_fsync else "after fsync",
        "per_second": rate, "spread": round((max(rates) - min(rates)) / max(rates), 2),
        "product_to_this": round(product_rate / rate, 2),
        "p50_ms": median(rounds, "p50_ms"), "p99_ms": median(rounds, "p99_ms"),
        "failed": sum(sum(one["failed"].values()) for one in rounds),
        "server_us_per_upload": round(1e6 * server / rate, 1),
        "database_us_per_upload": round(1e6 * database / rate, 1),
        "client_cpu": median(rounds, "cpu"),
    }  # fmt: skip


def median(rounds: Sequence[dict[str, Any]], name: str) -> float:
    """Return the median of a figure; 0 for a process that a target does not have."""
    return round(float(statistics.median(one.get(name, 0) for one in rounds)), 2)
