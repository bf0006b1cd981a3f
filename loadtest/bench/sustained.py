"""A million agents each five minutes: 3,333 uploads a second held for minutes, while everything else runs too.

Uploads are due at fixed times and latency counts from there. Meanwhile the worker evaluates alert rules over the whole
fleet, refreshes of the rollups and a conversion to the columnstore are started again and again. At the end the rows
that are there must be those that were answered.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
from rich.console import Console

from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.bench.payloads import add_agents
from loadtest.bench.report import show
from loadtest.bench.serving import serving
from loadtest.bench.uploaders import UploadClient, cpu_seconds_by_name, shares, watched
from loadtest.databases import LoadDatabase
from rollups.refresh import list_jobs, run_job
from worker.run import wait

QUERIES = load_beside(__file__, "sustained.sql")
RATE = float(os.environ.get("SUSTAINED_RATE", 1_000_000 / 300))
SECONDS = float(os.environ.get("SUSTAINED_SECONDS", "300"))
WORKERS = int(os.environ.get("SUSTAINED_WORKERS", "1"))
NICE = int(os.environ.get("SUSTAINED_NICE", "0"))  # below zero only as root


@dataclass(frozen=True, slots=True)
class SustainedScale:
    """The load: 100,000 agents upload every half a minute, so that each device's row is met several times."""

    uploads_per_second: float = RATE
    seconds: float = SECONDS
    agents: int = 100_000
    connections: int = 512
    server_processes: int = WORKERS
    server_nice: int = NICE  # the server's priority beside the database's: docs/operations.md
    policies_every_seconds: float = 30.0
    old_samples: int = 1_000_000  # for the columnstore


EMBEDDED = SustainedScale(uploads_per_second=100.0, agents=3_000, old_samples=20_000)


async def run(database: LoadDatabase, console: Console, scale: SustainedScale | None = None) -> dict[str, Any]:
    """Hold the rate; returns settings, the figures, and whether all answered samples are stored."""
    scale = scale or (EMBEDDED if database.kind == "embedded" else SustainedScale())
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    now = utc_now()
    # The client's connections are idle now and then as a balancer's are; agents send a request again.
    settings = {"RTS_WORKERS": str(scale.server_processes), "RTS_KEEP_ALIVE_SECONDS": "75"}
    with TemporaryDirectory() as directory, serving(database, settings, worker=True) as server:
        with console.status(f"Writing {scale.agents:,} devices, rules over all of them, and samples to be converted …"):
            fleet = await add_agents(connection, server.tokens, scale.agents, 300)
            old = await add_rules_and_old_samples(connection, now, scale.old_samples)
        client = UploadClient(fleet, Path(directory))
        processes = watched(database, connection, server)
        for process in family(processes["server"]):
            process.nice(scale.server_nice)
        before = cpu_seconds_by_name(processes)
        with console.status(f"{scale.uploads_per_second:,.0f} uploads a second for {scale.seconds:.0f} s …"):
            async with policies(database.dsn, scale.policies_every_seconds) as runs:
                measured = await asyncio.to_thread(
                    client.run, server.port, scale.seconds, scale.connections, scale.uploads_per_second
                )
        cpu, memory = shares(processes, before, scale.seconds), resident_megabytes(processes["server"])
    row = await figures(connection, measured, old) | cpu | {"server_memory_mb": memory, "policy_runs": runs[0]}
    await connection.close()
    show(console, "Held for minutes", [row])
    return {"settings": asdict(scale) | {"samples": 5}, "results": row}


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all below it."""
    return [process, *process.children(recursive=True)]


def resident_megabytes(process: psutil.Process) -> int:
    """Return the resident memory of a process and its children, in megabytes."""
    return round(sum(one.memory_info().rss for one in family(process)) / 1e6)


async def add_rules_and_old_samples(connection: asyncpg.Connection, now: datetime, rows: int) -> int:
    """Write what runs beside the uploads: rules over the fleet, and samples old enough for the columnstore."""
    await connection.execute(QUERIES["add_rules"])
    await connection.execute(*QUERIES.bind("be_online", now=now))
    await connection.execute("VACUUM ANALYZE agent_devices")
    old = await connection.execute(
        *QUERIES.bind("add_old_samples", start=now - timedelta(days=4), devices=rows // 1000)
    )
    await connection.execute("ANALYZE agent_metrics")
    return int(old.rpartition(" ")[2])


async def figures(connection: asyncpg.Connection, measured: dict[str, Any], old: int) -> dict[str, Any]:
    """Return the client's figures beside those of the database."""
    rows = await connection.fetchval(QUERIES["count_samples"]) - old
    evaluated = await connection.fetchrow(QUERIES["last_pass"])
    assert evaluated
    good = measured["answers"] - sum(number for status, number in measured["failed"].items() if status != "closed")
    return {
        "per_second": measured["per_second"], "p50_ms": measured["p50_ms"], "p99_ms": measured["p99_ms"],
        "failed": measured["failed"], "answered_samples": good * 5, "rows": rows, "nothing_lost": rows >= good * 5,
        "alert_pass_seconds": round(evaluated["seconds"] or 0.0, 2), "client_cpu": measured["cpu"],
    }  # fmt: skip


@asynccontextmanager
async def policies(dsn: str, every_seconds: float) -> AsyncIterator[list[int]]:
    """Run all refresh and columnstore policies again and again meanwhile; yields how often, in a list of one."""
    over, runs = asyncio.Event(), [0]

    async def work() -> None:
        connection = await asyncpg.connect(dsn, server_settings=SERVER_SETTINGS)
        jobs = [job for job in await list_jobs(connection) if job.kind != "retention"]
        await wait(over, every_seconds)
        while not over.is_set():
            for job in jobs:
                await run_job(connection, job)
            runs[0] += 1
            await wait(over, every_seconds)
        await connection.close()

    working = asyncio.create_task(work())
    try:
        yield runs
    finally:
        over.set()
        await working
