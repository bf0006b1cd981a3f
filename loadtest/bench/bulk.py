r"""Rows per second of big uploads through the API, beside `\copy … FROM file BINARY` of the same rows.

Agents that were offline send days of stored samples. Each round sends all in every form (samples an upload, gzip or
plain, to a server of one process and to one of as many as there are cores) and copies it once, each time into the
emptied hypertable.
"""

import os
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
from rich.console import Console

from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from loadtest.bench.clean import empty, pause_policies, settle
from loadtest.bench.copying import copy_file, find_psql, write_file
from loadtest.bench.payloads import UploadingAgent, add_agents, make_bodies, packed, upload
from loadtest.bench.report import show
from loadtest.bench.senders import send
from loadtest.bench.serving import BenchServer, serving
from loadtest.databases import LoadDatabase

QUERIES = load_beside(__file__, "bulk.sql")


@dataclass(frozen=True, slots=True)
class BulkScale:
    """Who sends how much: each agent has `samples_each`, one every `every_seconds`."""

    agents: int = 80
    samples_each: int = 5000
    every_seconds: int = 60
    uploads_of: tuple[int, ...] = (1000, 5000)
    connections: int = 16
    processes: tuple[int, ...] = tuple(sorted({1, os.cpu_count() or 1}))
    rounds: int = 3

    @property
    def rows(self) -> int:
        """All rows of one round of one form."""
        return self.agents * self.samples_each


EMBEDDED = BulkScale(agents=4, processes=(1,), rounds=3)


@dataclass(frozen=True, slots=True)
class BodyForm:
    """A way to send the rows."""

    samples: int
    zipped: bool
    processes: int
    port: int
    requests: Sequence[bytes]

    @property
    def name(self) -> str:
        """`1,000 gzip, processes: 2`."""
        return f"{self.samples:,} {'gzip' if self.zipped else 'plain'}, processes: {self.processes}"


async def run(database: LoadDatabase, console: Console, scale: BulkScale | None = None) -> dict[str, Any]:
    """Measure every form beside COPY, and return settings and results."""
    scale = scale or (EMBEDDED if database.kind == "embedded" else BulkScale())
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    await pause_policies(connection)
    await empty(connection)
    psql = find_psql()
    with TemporaryDirectory() as directory, ExitStack() as servers:
        forms: list[BodyForm] = []
        for processes in scale.processes:
            server = servers.enter_context(serving(database, {"RTS_WORKERS": str(processes)}))
            agents = await add_agents(connection, server.tokens, scale.agents)
            forms += make_forms(server, processes, agents, scale)
        rates = await rounds(connection, database, scale, forms, Path(directory) / "rows", psql, console)
    await connection.close()
    results = [result_row(name, rates, scale) for name in rates]
    show(console, "Big uploads", results)
    settings = asdict(scale) | {"rows": scale.rows, "copy_by": "psql" if psql else "psycopg"}
    return {"settings": settings, "results": results}


def make_forms(
    server: BenchServer, processes: int, agents: Sequence[UploadingAgent], scale: BulkScale
) -> list[BodyForm]:
    """Return the same rows in every form, for one server."""
    now, every = utc_now(), timedelta(seconds=scale.every_seconds)
    forms = []
    for samples in scale.uploads_of:
        bodies = [make_bodies(scale.samples_each // samples, samples, now, every, seed) for seed in range(len(agents))]
        forms += [
            BodyForm(samples, zipped, processes, server.port, requests(agents, bodies, zipped=zipped))
            for zipped in (True, False)
        ]
    return forms


def requests(agents: Sequence[UploadingAgent], bodies: Sequence[list[bytes]], *, zipped: bool) -> list[bytes]:
    """Return all uploads, those of one agent after the other."""
    return [
        upload(agent, body, zipped=zipped)
        for agent, batches in zip(agents, bodies, strict=True)
        for body in (packed(batches) if zipped else batches)
    ]


async def rounds(
    connection: asyncpg.Connection,
    database: LoadDatabase,
    scale: BulkScale,
    forms: Sequence[BodyForm],
    file: Path,
    psql: str | None,
    console: Console,
) -> dict[str, list[float]]:
    """Return the rows per second of each form and of COPY, by round; the first round only warms up."""
    rates: dict[str, list[float]] = {name: [] for name in (*(form.name for form in forms), "COPY")}
    for number in range(scale.rounds + 1):
        with console.status(f"Round {number} of {scale.rounds} …"):
            seconds = {}
            for form in forms:
                seconds[form.name] = await send_all(connection, form, scale)
            if number == 0:
                await write_file(connection, file)
            await make_room(connection)
            seconds["COPY"] = copy_file(database.dsn, file, psql)
        if number:
            for name, elapsed in seconds.items():
                rates[name].append(scale.rows / elapsed)
    return rates


async def send_all(connection: asyncpg.Connection, form: BodyForm, scale: BulkScale) -> float:
    """Send one form into the emptied table and return the seconds; raises RuntimeError when rows are missing."""
    await make_room(connection)
    began = time.perf_counter()
    await send(form.port, form.requests, scale.connections)
    seconds = time.perf_counter() - began
    stored = await connection.fetchval(QUERIES["count_samples"])
    if stored != scale.rows:
        raise RuntimeError(f"{form.name}: {stored} rows of {scale.rows} are stored")
    return seconds


async def make_room(connection: asyncpg.Connection) -> None:
    """Empty the table, and wait until the database has written its buffers."""
    await connection.execute(QUERIES["empty_samples"])
    await settle(connection)


def result_row(name: str, rates: dict[str, list[float]], scale: BulkScale) -> dict[str, Any]:
    """Return a row of the result: rows/s, median and spread, and the ratio to COPY round by round."""
    sent, copied = rates[name], rates["COPY"]
    each = [one / other for one, other in zip(sent, copied, strict=True)]
    return {
        "form": name, "rows": scale.rows, "rows_per_s": round(statistics.median(sent)), "least": round(min(sent)),
        "most": round(max(sent)), "to_copy": round(statistics.median(each), 3), "to_copy_least": round(min(each), 3),
        "to_copy_most": round(max(each), 3),
    }  # fmt: skip
