"""The client of the upload benchmarks: a process of its own that does little more than write and read sockets.

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
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import psutil
import uvloop

from loadtest.bench.spread import percentile

SAMPLES = 5
SAMPLE = (
    b'{"collected_at":"%s","cpu_percent":23.5,"memory_used_gb":7.25,"memory_percent":45.3,"disk_used_gb":120.5,'
    b'"disk_percent":61.2,"load_average":[0.52,0.61,0.55],"uptime_seconds":%s,"network_rx_bytes":9876543210,'
    b'"network_tx_bytes":1234567890,"services":[]}'
)
BODY = b'{"metrics":[' + b",".join([SAMPLE] * SAMPLES) + b"]}"
MARK = b"2026-01-01T00:00:00.000Z", b"123456"  # as long as every time and uptime in a body
STEP_SECONDS = 0.1  # between an agent's samples in a closed loop: all are recent and none comes twice
TICK_SECONDS = 0.002  # of the open loop
DRAIN_SECONDS = 3.0  # for the last answers


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


class Times:
    """The times and uptimes of samples as JSON has them, made once for the uploads of each round."""

    def __init__(self, first: float, step: float, booted: float) -> None:
        self._first = datetime.fromtimestamp(first, UTC)
        self._step = step
        self._uptime = first - booted
        self._made: list[tuple[bytes, ...]] = []

    def of(self, round_: int) -> tuple[bytes, ...]:
        """Return what fills the bodies of one round: time and uptime of each sample."""
        while len(self._made) <= round_:
            number = len(self._made) * SAMPLES
            self._made.append(tuple(part for each in range(number, number + SAMPLES) for part in self._sample(each)))
        return self._made[round_]

    def _sample(self, number: int) -> tuple[bytes, bytes]:
        at = self._first + timedelta(seconds=self._step * number)
        time_text = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return time_text.encode(), b"%d" % (self._uptime + self._step * number)


class Hammer:
    """Requests in turn of all agents, and what became of them."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.latencies: list[float] = []
        self.failed: dict[str, int] = {}
        self.over = False
        self._times = Times(orders.first, orders.step, orders.booted)
        self._heads = [head_of(agent_id, token, orders.port) for agent_id, token in orders.agents]
        self._next = 0

    def request(self) -> bytes:
        """Return the next agent's next upload."""
        round_, agent = divmod(self._next, len(self._heads))
        self._next += 1
        return self._heads[agent] + BODY % self._times.of(round_)

    def take(self, status: bytes, began: float) -> None:
        """Note an answer."""
        self.latencies.append(time.perf_counter() - began)
        if status != b"200":
            self.failed[status.decode()] = self.failed.get(status.decode(), 0) + 1


def head_of(agent_id: str, token: str, port: int) -> bytes:
    """Return the head of an agent's requests."""
    length = len(BODY % (MARK * SAMPLES))
    return (
        f"POST /api/agents/{agent_id}/metrics HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


class Connection(asyncio.Protocol):
    """One kept-alive connection; calls `done` when an answer is complete, and `lost` when the server has closed it."""

    def __init__(self, hammer: Hammer, done: Tell, lost: Tell) -> None:
        self._hammer = hammer
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
        self._transport.write(self._hammer.request())

    def data_received(self, data: bytes) -> None:
        """Take an answer once it is complete."""
        data = self._read + data
        head = data.find(b"\r\n\r\n")
        at = data.find(b"ontent-length: ")
        if head < 0 or len(data) < head + 4 + int(data[at + 15 : data.index(b"\r", at)]):
            self._read = data
            return
        self._read = b""
        assert self._began is not None
        self._hammer.take(data[9:12], self._began)
        self._began = None
        self._done(self)

    def connection_lost(self, _: Exception | None) -> None:
        """Count an answer that never came; a server closes what is idle for some seconds, and that is no fault."""
        if self._hammer.over:
            return
        if self._began is not None:
            self._hammer.failed["closed"] = self._hammer.failed.get("closed", 0) + 1
        self._lost(self)


Tell = Callable[[Connection], None]


async def closed(hammer: Hammer) -> None:
    """Keep every connection busy."""

    def again(connection: Connection) -> None:
        if not hammer.over:
            connection.send(time.perf_counter())

    for _ in range(hammer.orders.connections):
        again(await connect(hammer, again, lambda _: None))
    await asyncio.sleep(hammer.orders.seconds)


async def opened(hammer: Hammer, rate: float) -> None:
    """Send at fixed times; one that finds all connections busy waits, and the wait counts."""
    idle: list[Connection] = []  # the last one used comes first: the others may be closed by the server meanwhile
    connecting: set[asyncio.Task[None]] = set()

    async def more() -> None:
        idle.append(await connect(hammer, idle.append, lost))

    def lost(connection: Connection) -> None:
        if connection in idle:
            idle.remove(connection)
        again = asyncio.create_task(more())
        connecting.add(again)
        again.add_done_callback(connecting.discard)

    for _ in range(hammer.orders.connections):
        await more()
    begin, sent = time.perf_counter(), 0
    while (elapsed := time.perf_counter() - begin) < hammer.orders.seconds:
        while sent < elapsed * rate and idle:
            idle.pop().send(begin + sent / rate)
            sent += 1
        await asyncio.sleep(TICK_SECONDS)
    await asyncio.sleep(DRAIN_SECONDS)


async def connect(hammer: Hammer, done: Tell, lost: Tell) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: Connection(hammer, done, lost), "127.0.0.1", hammer.orders.port
    )
    return connection


async def main(orders: Orders) -> dict[str, Any]:
    """Carry out the orders; latencies in milliseconds."""
    hammer = Hammer(orders)
    before = psutil.Process().cpu_times()
    await (closed(hammer) if orders.rate is None else opened(hammer, orders.rate))
    hammer.over = True
    after = psutil.Process().cpu_times()
    latencies = hammer.latencies
    return {
        "answers": len(latencies), "failed": hammer.failed, "per_second": round(len(latencies) / orders.seconds, 1),
        "cpu": round((after.user + after.system - before.user - before.system) / orders.seconds, 2),
        **{f"p{q}_ms": round(1000 * percentile(latencies, q / 100), 1) for q in (50, 99) if latencies},
    }  # fmt: skip


if __name__ == "__main__":
    given = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Orders)
    Path(given.outcome).write_text(json.dumps(uvloop.run(main(given))))
