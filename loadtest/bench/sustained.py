"""A million agents each five minutes: 3,333 uploads a second held for minutes, while everything else runs too.

Uploads are due at fixed times and latency counts from there. Meanwhile the worker evaluates alert rules over the whole
fleet, refreshes of the rollups and a conversion to the columnstore are started again and again. At the end the rows
that are there must be those that were answered.
"""

import asyncio
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
import psycopg
from rich.console import Console

from db.clock import utc_now
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.bench.report import show
from loadtest.bench.uploaders import Client, add_agents, bench_site, cpu_of, postmaster_pid
from loadtest.databases import Database

QUERIES = load_beside(__file__, "sustained.sql")
RATE = 1_000_000 / 300
AGENTS = 100_000  # each uploads every half a minute, so that each device's row is met several times
EMBEDDED_RATE, EMBEDDED_AGENTS = 100.0, 3_000
SECONDS = float(os.environ.get("SUSTAINED_SECONDS", "300"))
CONNECTIONS = 512
WORKERS = int(os.environ.get("SUSTAINED_WORKERS", "1"))
POLICIES_EVERY = 30.0  # seconds
OLD_ROWS = 1_000_000


async def run(database: Database, console: Console) -> dict[str, Any]:
    """Hold the rate; returns settings, the figures, and whether what was answered is there."""
    embedded = database.kind == "embedded"
    rate, agents = (EMBEDDED_RATE, EMBEDDED_AGENTS) if embedded else (RATE, AGENTS)
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    now = utc_now()
    with TemporaryDirectory() as directory, bench_site(database, WORKERS) as site:
        with console.status(f"Writing {agents:,} devices, rules over all of them, and samples to be converted …"):
            fleet = await add_agents(connection, site, agents, now)
            old = await add_rules_and_old_samples(connection, now, OLD_ROWS // (50 if embedded else 1))
        client = Client(fleet, Path(directory))
        pids = {"server": site.pids["serve"], "worker": site.pids["worker"]}
        postmaster = postmaster_pid(database)
        if postmaster:
            pids["database"] = postmaster
        port = int(site.host.rpartition(":")[2])
        before = {name: cpu_of(pid) for name, pid in pids.items()}
        with console.status(f"{rate:,.0f} uploads a second for {SECONDS:.0f} s …"), policies(database.dsn) as runs:
            found = await asyncio.to_thread(client.run, port, SECONDS, CONNECTIONS, rate)
        cpu = {f"{name}_cpu": round((cpu_of(pid) - before[name]) / SECONDS, 2) for name, pid in pids.items()}
        memory = memory_of(pids["server"])
    row = await figures(connection, found, old) | cpu | {"server_memory_mb": memory, "policy_runs": runs[0]}
    await connection.close()
    show(console, "Held for minutes", [row])
    settings = {
        "uploads_per_second": round(rate, 1), "seconds": SECONDS, "agents": agents, "samples": 5,
        "connections": CONNECTIONS, "server_processes": WORKERS, "policies_every_seconds": POLICIES_EVERY,
    }  # fmt: skip
    return {"settings": settings, "results": row}


def memory_of(pid: int) -> int:
    """Return the resident memory of a process and its children, in megabytes."""
    process = psutil.Process(pid)
    return round(sum(one.memory_info().rss for one in (process, *process.children(recursive=True))) / 1e6)


async def add_rules_and_old_samples(connection: asyncpg.Connection, now: datetime, rows: int) -> int:
    """Write what runs beside the uploads: rules over the fleet, and samples old enough for the columnstore."""
    await connection.execute(QUERIES["add_rules"])
    await connection.execute(QUERIES["be_online"], now)
    await connection.execute("VACUUM ANALYZE agent_devices")
    old = await connection.execute(QUERIES["add_old_samples"], now - timedelta(days=4), rows // 1000)
    return int(old.rpartition(" ")[2])


async def figures(connection: asyncpg.Connection, found: dict[str, Any], old: int) -> dict[str, Any]:
    """Return the client's figures beside what is in the database."""
    rows = await connection.fetchval(QUERIES["count_samples"]) - old
    evaluated = await connection.fetchrow(QUERIES["last_pass"])
    assert evaluated
    good = found["answers"] - sum(number for status, number in found["failed"].items() if status != "closed")
    return {
        "per_second": found["per_second"], "p50_ms": found["p50_ms"], "p99_ms": found["p99_ms"],
        "failed": found["failed"], "answered_samples": good * 5, "rows": rows, "nothing_lost": rows >= good * 5,
        "alert_pass_seconds": round(evaluated["seconds"] or 0.0, 2), "client_cpu": found["cpu"],
    }  # fmt: skip


@contextmanager
def policies(dsn: str) -> Iterator[list[int]]:
    """Run all refresh and columnstore policies again and again in a thread; yields how often, in a list of one."""
    over, runs = threading.Event(), [0]

    def work() -> None:
        with psycopg.connect(dsn, autocommit=True) as connection:
            jobs = [job for (job,) in connection.execute(QUERIES["list_policies"].encode())]
            while not over.wait(POLICIES_EVERY):
                for job in jobs:
                    connection.execute("CALL run_job(%s)", (job,))
                runs[0] += 1

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield runs
    finally:
        over.set()
        thread.join(120)
