"""Several processes on one port: restarted, killed and ended while agents upload; what was answered is never lost."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
import pytest

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.waiting import PATIENCE_SECONDS, until
from tests.whole.processes import METRICS_TOKEN, ServerProcess, free_port, running_server
from tests.whole.proxy import DatabaseProxy

WORKERS, AGENTS, SAMPLES = 3, 36, 5
PAUSE_SECONDS = 0.5  # between the uploads of an agent: the new processes need the CPU too
SECOND = timedelta(seconds=1)
STARTED = "Application startup complete"


@pytest.fixture
def server(database: str, key_file: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(database, key_file, tmp_path, "--workers", str(WORKERS)) as started:
        yield started


class PatientAgent:
    """Uploads on and on, and sends again what got no answer, as the agents do; any answer but 200 is noted."""

    def __init__(self, device: Device, url: str) -> None:
        self._device = device
        self._url = f"{url}/api/agents/{device.agent_id}/metrics"
        self._began = utc_now().replace(microsecond=0) - timedelta(hours=20)
        self.accepted = self.duplicates = self.sent_again = 0
        self.refused: list[tuple[int, str]] = []

    async def run(self, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=30) as client:
            for number in count():
                if stop.is_set():
                    return
                await self._upload(client, self._samples(number * SAMPLES))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _upload(self, client: httpx.AsyncClient, samples: list[dict[str, Any]]) -> None:
        while True:
            with suppress(httpx.TransportError):
                response = await client.post(self._url, json={"metrics": samples}, headers=self._device.headers)
                if response.status_code == 200:
                    receipt = response.json()
                    self.accepted += receipt["accepted"]
                    self.duplicates += receipt["duplicates"]
                else:
                    self.refused.append((response.status_code, response.text))
                return
            self.sent_again += 1
            await asyncio.sleep(0.05)

    def _samples(self, first: int) -> list[dict[str, Any]]:
        times: list[datetime] = [self._began + (first + step) * SECOND for step in range(SAMPLES)]
        return [sample(time, cpu_percent=1) for time in times]


@asynccontextmanager
async def uploading(make_device: MakeDevice, url: str) -> AsyncIterator[list[PatientAgent]]:
    """Let agents upload; afterwards each has had its last answer."""
    agents = [PatientAgent(await make_device(), url) for _ in range(AGENTS)]
    stop = asyncio.Event()
    tasks = [asyncio.create_task(agent.run(stop)) for agent in agents]
    try:
        yield agents
    finally:
        stop.set()
        await asyncio.gather(*tasks)


async def stored(pool: asyncpg.Pool, agents: list[PatientAgent]) -> int:
    ids = [agent._device.agent_id for agent in agents]
    query = "SELECT count(*) FROM agent_metrics WHERE agent_device_id = ANY ($1)"
    return int(await pool.fetchval(query, ids))


async def accepted_by_metrics(server: ServerProcess) -> tuple[float, float]:
    """Return what a scrape says of accepted samples and of living processes; any process may have answered."""
    async with httpx.AsyncClient(timeout=10) as client:
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        text = (await client.get(f"{server.url}/metrics", headers=headers)).text
    values = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return float(values['rts_samples_total{outcome="accepted"}']), float(values["rts_processes"])


async def watch_counts(server: ServerProcess, seen: list[float]) -> None:
    while True:
        with suppress(httpx.TransportError):
            seen.append((await accepted_by_metrics(server))[0])
        await asyncio.sleep(0.2)


async def test_a_restart_and_a_kill_lose_nothing_that_was_answered(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    await until(lambda: server.log.count(STARTED) == WORKERS)
    first = set(server.workers())
    counts: list[float] = []
    watch = asyncio.create_task(watch_counts(server, counts))
    async with uploading(make_device, server.url) as agents:
        await until(lambda: all(agent.accepted for agent in agents))
        server.signal(signal.SIGHUP)
        await until(lambda: not first & set(server.workers()) and len(server.workers()) == WORKERS)
        restarted = sum(agent.accepted for agent in agents)
        assert [agent.refused for agent in agents if agent.refused] == []
        victim = next(iter(server.workers().values()))
        victim.kill()
        await until(lambda: victim.pid not in server.workers() and len(server.workers()) == WORKERS)
        after_kill = sum(agent.accepted for agent in agents)
        await until(lambda: sum(agent.accepted for agent in agents) > after_kill)
    watch.cancel()
    assert [agent.refused for agent in agents if agent.refused] == []
    accepted, duplicates = sum(agent.accepted for agent in agents), sum(agent.duplicates for agent in agents)
    assert accepted > restarted > 1000
    assert accepted + duplicates == await stored(pool, agents)
    assert len(counts) > 10
    assert counts == sorted(counts), "a counter went backwards"
    async with asyncio.timeout(60):  # the killed one is counted until it has been silent for a while
        while (shown := await accepted_by_metrics(server))[1] != WORKERS:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    assert 0 < shown[0] <= accepted + duplicates


async def test_sigterm_ends_all_and_answers_what_has_arrived(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    workers = list(server.workers().values())
    device = await make_device()
    async with httpx.AsyncClient(base_url=server.url) as client:
        receipt = await Device(client, device.agent_id, device.token, device.tenant).accepted(sample(cpu_percent=1))
    assert receipt["accepted"] == 1
    server.signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait) == 0
    assert not [worker for worker in workers if worker.is_running()]


async def test_the_processes_end_with_a_supervisor_that_is_killed(server: ServerProcess) -> None:
    await until(lambda: len(server.workers()) == WORKERS)
    workers = list(server.workers().values())
    server.signal(signal.SIGKILL)
    await asyncio.to_thread(server.wait)
    _, alive = await asyncio.to_thread(psutil.wait_procs, workers, PATIENCE_SECONDS)
    assert alive == []


async def test_a_process_that_dies_while_the_database_is_away_is_replaced_when_it_is_back(
    database: str, key_file: Path, tmp_path: Path
) -> None:
    """Its siblings go on meanwhile: they could answer, if only that nothing can be stored just now."""
    async with DatabaseProxy(database) as proxy:
        server = ServerProcess(proxy.url, key_file, free_port(), tmp_path / "serve.log", "--workers", "2")
        try:
            await asyncio.to_thread(server.start)
            await until(lambda: server.log.count(STARTED) == 2)
            await proxy.cut()
            victim = next(iter(server.workers().values()))
            victim.kill()
            await until(lambda: "cannot start yet" in server.log)
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.get("/api/health/live")).status_code == 200
            assert len(server.workers()) == 2
            await proxy.mend()
            await until(lambda: server.log.count(STARTED) == 3)
        finally:
            server.stop()


async def test_with_a_time_to_drain_readiness_turns_before_the_server_ends(
    database: str, key_file: Path, tmp_path: Path
) -> None:
    for workers in ("1", "2"):
        with running_server(database, key_file, tmp_path, "--workers", workers, RTS_DRAIN_SECONDS="2") as server:
            async with httpx.AsyncClient(base_url=server.url) as client:
                assert (await client.get("/api/health/ready")).status_code == 200
                server.signal(signal.SIGTERM)
                await asyncio.sleep(0.5)
                answer = await client.get("/api/health/ready")
                assert [reason["code"] for reason in answer.json()["error"]["details"]] == ["draining"]
                assert (await client.get("/api/health")).status_code == 200
            assert await asyncio.to_thread(server.wait) in (0, -signal.SIGTERM)
