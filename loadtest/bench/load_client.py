"""The client of the upload benchmarks: its own process that does little more than write and read sockets.

Closed: each connection sends its next upload when it has the answer; that finds the most a server can take. Open:
uploads are due at fixed times, whatever the server does, and latency counts from there; that finds what agents feel.
Bodies are filled in from a template, and of an answer only the status and the length are looked at.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop

from loadtest.bench.requests import FORMATS, Format, Requests, Times
from loadtest.bench.spread import percentile

GOOD = b"200", b"204"
STEP_SECONDS = 0.1  # between an agent's samples in a closed loop: all are recent and none comes twice
TICK_SECONDS = 0.002  # of the open loop
DRAIN_SECONDS = 3.0  # for the last answers
FIRST_ANSWER_SECONDS = 60.0


class Orders(msgspec.Struct, frozen=True):
    """What to do: `agents` are ids and tokens; `rate` is uploads a second, None means closed."""

    port: int
    agents: list[tuple[str, str]]
    first: float  # Unix seconds of the first sample
    seconds: float
    connections: int
    outcome: str
    rate: float | None = None
    step: float = STEP_SECONDS  # from one sample of an agent to the next
    booted: float = 0.0  # Unix seconds at which all agents were started
    format: Format = "native"


class LoadClient:
    """Requests in turn of all agents, and what became of them."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.latencies: list[float] = []
        self.failed: dict[str, int] = {}
        self.over = False
        self.answered = asyncio.Event()
        self._times = Times(orders.format, orders.first, orders.step, orders.booted)
        self._requests: Requests = FORMATS[orders.format](orders.agents, orders.port)
        self._next = 0

    def request(self) -> bytes:
        """Return the next agent's next upload."""
        round_, agent = divmod(self._next, len(self.orders.agents))
        self._next += 1
        return self._requests.make(agent, self._times.of(round_))

    def take(self, status: bytes, began: float) -> None:
        """Note an answer."""
        self.answered.set()
        self.latencies.append(time.perf_counter() - began)
        if status not in GOOD:
            self.failed[status.decode()] = self.failed.get(status.decode(), 0) + 1


class Connection(asyncio.Protocol):
    """One kept-alive connection; calls `done` when an answer is complete, and `lost` when the server has closed it."""

    def __init__(self, client: LoadClient, done: Callback, lost: Callback) -> None:
        self._client = client
        self._done = done
        self._lost = lost
        self._began: float | None = None  # of the request that waits for its answer
        self._read = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        self._transport: Any = transport

    def send(self, began: float) -> None:
        """Send the next upload, whose latency counts from `began`."""
        self._began = began
        self._transport.write(self._client.request())

    def data_received(self, data: bytes) -> None:
        """Take an answer once it is complete."""
        data = self._read + data
        head = data.find(b"\r\n\r\n")
        if head < 0 or len(data) < head + 4 + content_length(data):
            self._read = data
            return
        self._read = b""
        assert self._began is not None
        self._client.take(data[9:12], self._began)
        self._began = None
        self._done(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Count a missing answer; the server may close an idle connection, which is no fault."""
        if self._client.over:
            return
        if self._began is not None:
            self._client.answered.set()
            self._client.failed["closed"] = self._client.failed.get("closed", 0) + 1
        self._lost(self)


def content_length(answer: bytes) -> int:
    """Return the length of an answer's body; a 204 has none."""
    at = answer.find(b"ontent-length: ")
    return int(answer[at + 15 : answer.index(b"\r", at)]) if at >= 0 else 0


Callback = Callable[[Connection], None]


async def closed(client: LoadClient) -> None:
    """Keep every connection busy."""

    def reconnect(connection: Connection) -> None:
        if not client.over:
            connection.send(time.perf_counter())

    for _ in range(client.orders.connections):
        reconnect(await connect(client, reconnect, lambda _: None))
    await asyncio.sleep(client.orders.seconds)
    # A short run on a busy machine: there is no figure without an answer.
    with suppress(TimeoutError):
        await asyncio.wait_for(client.answered.wait(), FIRST_ANSWER_SECONDS)


async def opened(client: LoadClient, rate: float) -> None:
    """Send at fixed times; one that finds all connections busy waits, and the wait counts."""
    idle: list[Connection] = []  # the last one used comes first: the others may be closed by the server meanwhile
    connecting: set[asyncio.Task[None]] = set()

    async def more() -> None:
        idle.append(await connect(client, idle.append, lost))

    def lost(connection: Connection) -> None:
        if connection in idle:
            idle.remove(connection)
        reconnecting = asyncio.create_task(more())
        connecting.add(reconnecting)
        reconnecting.add_done_callback(connecting.discard)

    for _ in range(client.orders.connections):
        await more()
    begin, sent = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < client.orders.seconds:
        while sent < elapsed * rate and idle:
            idle.pop().send(begin + sent / rate)
            sent += 1
        await asyncio.sleep(TICK_SECONDS)
    await asyncio.sleep(DRAIN_SECONDS)


async def connect(client: LoadClient, done: Callback, lost: Callback) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(client, done, lost), "127.0.0.1", client.orders.port
    )
    return connection


async def main(orders: Orders) -> dict[str, Any]:
    """Carry out the orders; latencies in milliseconds."""
    client = LoadClient(orders)
    before = psutil.Process().cpu_times()
    await (closed(client) if orders.rate is None else opened(client, orders.rate))
    client.over = True
    after = psutil.Process().cpu_times()
    latencies = client.latencies
    return {
        "answers": len(latencies), "failed": client.failed, "per_second": round(len(latencies) / orders.seconds, 1),
        "cpu": round((after.user + after.system - before.user - before.system) / orders.seconds, 2),
        **{f"p{q}_ms": round(1000 * percentile(latencies, q / 100), 1) for q in (50, 99) if latencies},
    }  # fmt: skip


if __name__ == "__main__":
    settings = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Orders)
    Path(settings.outcome).write_text(json.dumps(uvloop.run(main(settings))))
