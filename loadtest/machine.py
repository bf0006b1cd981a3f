"""The machine of a result, and the versions of the measured programs."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from db.server_check import describe_server


async def describe_machine(connection: asyncpg.Connection) -> dict[str, Any]:
    """Return cores, CPU, memory and versions; what a reader needs to compare figures."""
    server = await describe_server(connection)
    return {
        "cores": os.cpu_count(), "cpu": cpu_model(), "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "load_before": [round(load, 2) for load in os.getloadavg()], "system": platform.platform(terse=True),
        "commit": commit(), "python": platform.python_version(), "locust": version("locust"),
        "postgresql": await connection.fetchval("SHOW server_version"), "timescaledb": server.timescaledb,
    }  # fmt: skip


def commit() -> str | None:
    """Return the commit that is checked out, None outside a repository."""
    command = ("git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD")
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return None


def cpu_model() -> str:
    """Return the processor's name on Linux, else its architecture."""
    lines = Path("/proc/cpuinfo")
    if lines.exists():
        for line in lines.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
