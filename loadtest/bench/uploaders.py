"""The common part of the upload benchmarks: the load client as a process, and the CPU of the measured processes."""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil

from core.clock import utc_now
from loadtest.bench.load_client import STEP_SECONDS, Orders
from loadtest.bench.payloads import UploadingAgent
from loadtest.bench.requests import SAMPLES, Format
from loadtest.bench.serving import BenchServer
from loadtest.cpu import cpu_seconds, database_process
from loadtest.databases import LoadDatabase

Watched = Mapping[str, psutil.Process]


class UploadClient:
    """Starts the load client; each run begins after the samples of the one before, so that none comes twice."""

    def __init__(self, agents: Sequence[UploadingAgent], directory: Path, format_: Format = "native") -> None:
        self._format: Format = format_
        self._agents = [(str(agent.agent_id), agent.token) for agent in agents]
        self._directory = directory
        self._booted = utc_now().timestamp() - 200_000  # Unix seconds
        self._next = 0.0  # Unix seconds of the next sample that no run has sent

    def run(self, port: int, seconds: float, connections: int, rate: float | None = None) -> dict[str, Any]:
        """Send uploads for some seconds; returns what the client found (see `load_client.main`).

        The samples are as old as those of real agents: the newest of an upload is about as old as the upload.
        """
        outcome, path = self._directory / "outcome.json", self._directory / "orders.json"
        step = len(self._agents) / rate / SAMPLES if rate else STEP_SECONDS
        first = max(self._next, utc_now().timestamp() - step * SAMPLES)
        orders = Orders(
            port, self._agents, first, seconds, connections, str(outcome), rate, step, self._booted, self._format
        )
        path.touch(mode=0o600)  # it holds tokens
        path.write_bytes(msgspec.json.encode(orders))
        subprocess.run([sys.executable, "-m", "loadtest.bench.load_client", str(path)], check=True)  # noqa: S603
        result: dict[str, Any] = json.loads(outcome.read_text())
        self._next = first + (result["answers"] // len(self._agents) + 2) * SAMPLES * step
        return result


def watched(database: LoadDatabase, connection: asyncpg.Connection, server: BenchServer) -> Watched:
    """Return the processes whose CPU is reported, by name: server, worker if any, and the database if it is here."""
    names = {"serve": "server", "worker": "worker"}
    watched_processes = {names[name]: psutil.Process(pid) for name, pid in server.pids.items() if name in names}
    database_server = database_process(database, connection.get_server_pid())
    return watched_processes | ({"database": database_server} if database_server else {})


def cpu_seconds_by_name(processes: Watched) -> dict[str, float]:
    """Return the CPU seconds that each has used so far."""
    return {name: cpu_seconds(process) for name, process in processes.items()}


def shares(processes: Watched, before: Mapping[str, float], took: float) -> dict[str, float]:
    """Return the share of one core that each has used since `before`, `took` seconds ago, as `<name>_cpu`."""
    return {
        f"{name}_cpu": round((now - before[name]) / took, 2) for name, now in cpu_seconds_by_name(processes).items()
    }
