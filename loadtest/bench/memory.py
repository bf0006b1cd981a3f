"""How much memory the server process holds: at rest, with many uploads in flight, and over time under a steady load.

In flight means: connections that each send one upload at the same moment and wait for its receipt. The flood of large
uploads meets the bounds (RTS_MAX_BUFFERED_SAMPLES, RTS_MAX_DECODING_BYTES): who is refused with 503 sends again.
"""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Awaitable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import psutil
from rich.console import Console

from core.clock import utc_now
from db.pools import SERVER_SETTINGS
from loadtest.bench.clean import empty, pause_policies
from loadtest.bench.payloads import UploadingAgent, add_agents, make_bodies, upload
from loadtest.bench.report import show
from loadtest.bench.senders import UploadRefusedError, exchange
from loadtest.bench.serving import BenchServer, serving
from loadtest.databases import LoadDatabase

LOOK_EVERY_SECONDS = 0.02
RETRY_SECONDS = 5.0  # as agents wait after a 503, give or take a half
MEGABYTE = 1e6
SECOND = timedelta(seconds=1)
Line = tuple[asyncio.StreamReader, asyncio.StreamWriter]

MAX_SHOWN = 60  # of the series in the result


@dataclass(frozen=True, slots=True)
class MemoryScale:
    """`floods` are (uploads at once, samples in each), `rounds` times; then `seconds` of steady load."""

    floods: tuple[tuple[int, int], ...] = ((100, 5), (1000, 5), (100, 1000), (1000, 1000))
    rounds: int = 2
    steady_connections: int = 20
    steady_samples: int = 5
    seconds: float = 60.0


EMBEDDED = MemoryScale(floods=((100, 5), (1000, 5), (100, 200)), rounds=2, steady_connections=5, seconds=20.0)


async def run(database: LoadDatabase, console: Console, scale: MemoryScale | None = None) -> dict[str, Any]:
    """Measure rest, floods and steady load; `DURATION` in the environment sets the seconds of the latter."""
    scale = scale or with_duration(EMBEDDED if database.kind == "embedded" else MemoryScale())
    connection = await asyncpg.connect(database.dsn, server_settings=SERVER_SETTINGS)
    await pause_policies(connection)
    await empty(connection)
    with serving(database) as server:  # one of its own: what a flood leaves would hide what a steady load adds
        agents = await add_agents(connection, server.tokens, scale.steady_connections)
        with console.status(f"Steady load for {scale.seconds:.0f} seconds …"):
            steady = await steady_load(psutil.Process(server.pid), server, agents, scale)
    results = []
    with serving(database) as server:
        agents = await add_agents(connection, server.tokens, max(uploads for uploads, _ in scale.floods))
        process = psutil.Process(server.pid)
        results.append(at_rest(process))
        for uploads, samples in scale.floods:
            with console.status(f"{uploads:,} uploads of {samples:,} samples at once …"):
                results.append(await floods(process, server, agents[:uploads], samples, scale.rounds))
    await connection.close()
    show(console, "Memory of the server process (MB)", results)
    show(console, "Over time", [{name: value for name, value in steady.items() if name != "series"}])
    return {"settings": asdict(scale), "results": results, "steady": steady}


def with_duration(scale: MemoryScale) -> MemoryScale:
    """Return `scale` with the environment's DURATION, seconds, where there is one."""
    return MemoryScale(**asdict(scale) | {"seconds": float(os.environ.get("DURATION") or scale.seconds)})


def at_rest(process: psutil.Process) -> dict[str, Any]:
    """Return the memory of a server that has nothing to do, as a row of the result."""
    memory = rss(process)
    return {
        "in_flight": 0, "samples_each": 0, "most_mb": memory, "after_mb": memory, "seconds": 0.0,
        "refused_and_sent_again": 0,
    }  # fmt: skip


async def floods(
    process: psutil.Process, server: BenchServer, agents: Sequence[UploadingAgent], samples: int, rounds: int
) -> dict[str, Any]:
    """Send an upload of every agent at once, several times over; return the most memory and what stays."""
    most, seconds, refused = 0.0, [], 0
    for number in range(rounds):
        # Each round has times of its own: nothing is a duplicate.
        newest = utc_now() - number * samples * SECOND
        (body,) = make_bodies(1, samples, newest, SECOND, seed=number)
        requests = [upload(agent, body, zipped=False) for agent in agents]
        began = time.perf_counter()
        peak, tries = await most_during(process, all_at_once(server.port, requests))
        seconds.append(time.perf_counter() - began)
        most, refused = max(most, peak), refused + sum(tries)
    await asyncio.sleep(1)
    return {
        "in_flight": len(agents), "samples_each": samples, "most_mb": most, "after_mb": rss(process),
        "seconds": round(statistics.median(seconds), 2), "refused_and_sent_again": refused,
    }  # fmt: skip


async def most_during(process: psutil.Process, work: Awaitable[list[int]]) -> tuple[float, list[int]]:
    """Return the most memory seen while `work` runs, MB, and its result."""
    task, most = asyncio.ensure_future(work), rss(process)
    while not task.done():
        await asyncio.wait([task], timeout=LOOK_EVERY_SECONDS)
        most = max(most, rss(process))
    return most, task.result()


async def all_at_once(port: int, requests: Sequence[bytes]) -> list[int]:
    """Send every request over its own connection at the same time; return how often each was refused."""
    lines = [await asyncio.open_connection("127.0.0.1", port) for _ in requests]
    return list(
        await asyncio.gather(*(until_taken(port, line, one) for line, one in zip(lines, requests, strict=True)))
    )


async def until_taken(port: int, line: Line, request: bytes) -> int:
    """Send until it is stored, as agents do, again over another connection; return how often it was refused."""
    refused = 0
    while not await is_taken(line, request):
        refused += 1
        await asyncio.sleep(RETRY_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311  no secret
        line = await asyncio.open_connection("127.0.0.1", port)
    return refused


async def is_taken(line: Line, request: bytes) -> bool:
    """Send once and hang up; False when the server has no room at the moment."""
    try:
        await exchange(*line, request)
    except UploadRefusedError as error:
        if error.status != 503:
            raise
        return False
    finally:
        line[1].close()
    return True


async def steady_load(
    process: psutil.Process, server: BenchServer, agents: Sequence[UploadingAgent], scale: MemoryScale
) -> dict[str, Any]:
    """Upload from every agent without a pause, and look at the memory once a second; return its slope."""
    until = time.monotonic() + scale.seconds
    newest = utc_now() - timedelta(days=1)
    sending = [asyncio.ensure_future(keep_sending(server.port, agent, scale, newest, until)) for agent in agents]
    series = []
    began = time.monotonic()
    while time.monotonic() < until:
        series.append((round(time.monotonic() - began, 2), rss(process)))
        await asyncio.sleep(min(1.0, scale.seconds / 10))
    sent = sum(await asyncio.gather(*sending))
    # What the first third adds is filling of caches; a leak continues.
    settled = series[len(series) // 3 :]
    slope = statistics.linear_regression(*zip(*settled, strict=True)).slope
    return {
        "connections": len(agents), "samples_each": scale.steady_samples, "uploads_per_s": round(sent / scale.seconds),
        "begin_mb": settled[0][1], "end_mb": settled[-1][1], "mb_per_minute": round(60 * slope, 3),
        "series": series[:: -(-len(series) // MAX_SHOWN)],
    }  # fmt: skip


async def keep_sending(port: int, agent: UploadingAgent, scale: MemoryScale, newest: datetime, until: float) -> int:
    """Upload again and again, each time later samples; return how often."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    sent = 0
    while time.monotonic() < until:
        at = newest + sent * scale.steady_samples * SECOND
        (body,) = make_bodies(1, scale.steady_samples, at, SECOND, seed=sent)
        await exchange(reader, writer, upload(agent, body, zipped=False))
        sent += 1
    writer.close()
    return sent


def rss(process: psutil.Process) -> float:
    """Return the resident memory of a process, MB."""
    return round(process.memory_info().rss / MEGABYTE, 1)
