"""The cost of a row over its life (written, rolled up, converted), in CPU seconds and in bytes.

The writer of the product takes uploads as they come in real time (its clock is the samples'), then each level is
refreshed over the two days, then all chunks go into the columnstore. Each round does it all again.
"""

import statistics
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import psutil
from rich.console import Console

from api.services import connect_writer
from auth.keys import KeyFile
from auth.tokens import Tokens
from core.clock import utc_now
from db.hypertables.policies import DAY, LEVELS
from db.pools import SERVER_SETTINGS
from db.sql import load_beside
from ingest.writer import Writer
from loadtest.bench.clean import empty, pause_policies, settle
from loadtest.bench.fleet_life import make_uploads
from loadtest.bench.payloads import UploadingAgent, add_agents
from loadtest.bench.report import show
from loadtest.cpu import cpu_seconds, database_process
from loadtest.databases import LoadDatabase
from rollups.choose import bucket_start
from rollups.refresh import RELATIONS, refresh_level

QUERIES = load_beside(__file__, "life.sql")
SPAN = 2 * DAY
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class LifeScale:
    """Devices that sample every `every_seconds` and upload `samples` at a time; rounds of the same."""

    devices: int = 200
    every_seconds: int = 60
    samples: int = 5
    rounds: int = 3
    span: timedelta = SPAN

    @property
    def rows(self) -> int:
        """All raw rows of one round."""
        return self.devices * int(self.span / timedelta(seconds=self.every_seconds))


EMBEDDED = LifeScale(devices=20, rounds=2)


@dataclass(slots=True)
class Life:
    """One round while it runs: what each step cost."""

    connection: asyncpg.Connection
    server: psutil.Process | None  # None: on another machine
    rows: int
    cpu_s: dict[str, float | None]
    bytes_of: dict[str, dict[str, int]]

    async def step(self, name: str, work: Awaitable[Any]) -> None:
        """Do one step and note the CPU seconds per million raw rows, with what the server writes for it later."""
        before = cpu_seconds(self.server) if self.server else 0.0
        await work
        await settle(self.connection)
        used = cpu_seconds(self.server) - before if self.server else None
        self.cpu_s[name] = None if used is None else round(used / self.rows * MILLION, 2)

    async def weigh(self, name: str) -> None:
        """Note how many bytes each level takes."""
        await self.connection.execute(QUERIES["vacuum"])
        rows = await self.connection.fetch(*QUERIES.bind("sizes", relations=RELATIONS))
        self.bytes_of[name] = {row["relation"]: row["bytes"] for row in rows}


async def run(database: LoadDatabase, console: Console, scale: LifeScale | None = None) -> dict[str, Any]:
    """Let rows live several times over, and return settings, medians and spreads."""
    scale = scale or (EMBEDDED if database.kind == "embedded" else LifeScale())
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    await pause_policies(connection)
    server = database_process(database, connection.get_server_pid())
    rounds = []
    for number in range(scale.rounds):
        with console.status(f"Life {number + 1} of {scale.rounds}: {scale.rows:,} rows …"):
            rounds.append(await live(connection, database, server, scale))
    await connection.close()
    results = summary(rounds, scale.rows)
    show(console, "A row's life", results)
    return {"settings": asdict(scale) | {"span": str(scale.span), "rows": scale.rows}, "results": results}


async def live(
    connection: asyncpg.Connection, database: LoadDatabase, server: psutil.Process | None, scale: LifeScale
) -> Life:
    """Write, roll up and convert one round's rows."""
    await empty(connection)
    with TemporaryDirectory() as directory:
        keys = KeyFile(Path(directory) / "keys.json")
        keys.create()
        agents = await add_agents(connection, Tokens(keys), scale.devices)
    end = bucket_start(utc_now(), DAY)
    begin = end - scale.span
    life = Life(connection, server, scale.rows, {}, {})
    await life.step("written", write(database, agents, begin, end, scale))
    await life.weigh("written")
    for level in LEVELS[1:]:
        refresh = refresh_level(connection, level.relation, bucket_start(begin, DAY), end)
        await life.step(f"rolled up to {level.name}", refresh)
    await life.weigh("rolled up")
    for relation in RELATIONS:
        await life.step(
            f"{relation} to columnstore", connection.execute(*QUERIES.bind("to_columnstore", relation=relation))
        )
    await life.weigh("converted")
    return life


async def write(
    database: LoadDatabase, agents: list[UploadingAgent], begin: datetime, end: datetime, scale: LifeScale
) -> None:
    """Give the writer all uploads, those of one moment at once; raises RuntimeError when one isn't stored."""
    now = begin
    writer = Writer(lambda: connect_writer(database.dsn), clock=lambda: now)
    for now, uploads in make_uploads(agents, begin, end, scale.every_seconds, scale.samples):
        await writer.write(uploads)
        if any(upload.error or upload.inserted != len(upload.rows) for upload in uploads):
            raise RuntimeError(f"an upload of {now} is not stored: {uploads[0].error}")
    await writer.close()


def summary(rounds: list[Life], rows: int) -> list[dict[str, Any]]:
    """Return each step's CPU and each level's bytes for a raw row: median, least and most of the rounds."""
    summaries = []
    for step in rounds[0].cpu_s:
        seconds = [life.cpu_s[step] for life in rounds]
        measured = [one for one in seconds if one is not None]
        summaries.append(spread(f"CPU s per million rows: {step}", measured))
    for moment in rounds[0].bytes_of:
        for relation in RELATIONS:
            each = [life.bytes_of[moment][relation] / rows for life in rounds]
            if max(each) * rows > 100_000:  # not of empty levels
                summaries.append(spread(f"bytes per raw row: {relation}, {moment}", each))
    return summaries


def spread(name: str, values: list[float]) -> dict[str, Any]:
    """Return a row of the result; null where nothing could be measured."""
    if not values:
        return {"what": name, "median": None, "least": None, "most": None}
    return {
        "what": name, "median": round(statistics.median(values), 2), "least": round(min(values), 2),
        "most": round(max(values), 2),
    }  # fmt: skip
