"""Answered means committed: the server killed, drained, and cut off from its database while agents upload."""

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
import pytest

from agent.client import TIMEOUT_SECONDS
from api.app import Application
from api.services import CONNECT_TIMEOUT_SECONDS, COPY_TIMEOUT_SECONDS
from core.clock import utc_now
from core.settings import Settings
from loadtest.proxy import DatabaseProxy as SilentProxy
from tests.conftest import MakeDevice
from tests.devices import Device, sample
from tests.waiting import until
from tests.whole.processes import ServerProcess, running_server
from tests.whole.proxy import DatabaseProxy

SECOND = timedelta(seconds=1)
SAMPLES_PER_UPLOAD = 20


@pytest.fixture
def server(database: str, key_file: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    with running_server(database, key_file, tmp_path) as started:
        yield started


class Uploader:
    """An agent that uploads without pause and remembers what was answered."""

    def __init__(self, device: Device, base_url: str) -> None:
        self.device = device
        self._base_url = base_url
        self._began = utc_now().replace(microsecond=0) - timedelta(hours=5)
        self._numbers = count()
        self.acknowledged: set[datetime] = set()
        self.unanswered: list[list[dict[str, Any]]] = []
        self.refused: list[int] = []

    async def run(self) -> None:
        """Upload until the server is gone."""
        async with httpx.AsyncClient(base_url=self._base_url, timeout=30) as client:
            with suppress(httpx.TransportError):
                while True:
                    await self.upload(client, self._next())

    async def upload(self, client: httpx.AsyncClient, samples: list[dict[str, Any]]) -> None:
        self.unanswered.append(samples)
        url = f"/api/agents/{self.device.agent_id}/metrics"
        response = await client.post(url, json={"metrics": samples}, headers=self.device.headers)
        if response.status_code == 200:
            receipt = response.json()
            assert receipt["accepted"] + receipt["duplicates"] == len(samples)
            self.acknowledged |= {datetime.fromisoformat(one["collected_at"]) for one in samples}
            self.unanswered.remove(samples)
        else:
            self.refused.append(response.status_code)

    def _next(self) -> list[dict[str, Any]]:
        number = next(self._numbers) * SAMPLES_PER_UPLOAD
        return [sample(self._began + (number + step) * SECOND, cpu_percent=1) for step in range(SAMPLES_PER_UPLOAD)]

    async def stored(self, pool: asyncpg.Pool) -> list[datetime]:
        query = "SELECT collected_at FROM agent_metrics WHERE agent_device_id = $1"
        return [row["collected_at"] for row in await pool.fetch(query, self.device.agent_id)]


async def start_uploaders(make_device: MakeDevice, url: str) -> tuple[list[Uploader], list[asyncio.Task[None]]]:
    uploaders = [Uploader(await make_device(), url) for _ in range(6)]
    return uploaders, [asyncio.create_task(uploader.run()) for uploader in uploaders]


async def test_kill_9_during_uploads_loses_no_acknowledged_sample(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    uploaders, tasks = await start_uploaders(make_device, server.url)
    await until(lambda: sum(len(uploader.acknowledged) for uploader in uploaders) > 1000)
    server.signal(signal.SIGKILL)
    await asyncio.to_thread(server.wait)
    await asyncio.gather(*tasks)
    for uploader in uploaders:
        assert uploader.acknowledged <= set(await uploader.stored(pool))
    await asyncio.to_thread(server.start)
    async with httpx.AsyncClient(base_url=server.url) as client:
        for uploader in uploaders:  # the agents send again what was not answered
            lost, uploader.unanswered = uploader.unanswered, []
            for samples in lost:
                await uploader.upload(client, samples)
    for uploader in uploaders:
        stored = await uploader.stored(pool)
        assert len(stored) == len(set(stored))
        assert set(stored) == uploader.acknowledged
        assert not uploader.unanswered


async def test_sigterm_answers_what_has_arrived_and_ends(
    server: ServerProcess, make_device: MakeDevice, pool: asyncpg.Pool
) -> None:
    uploaders, tasks = await start_uploaders(make_device, server.url)
    await until(lambda: all(uploader.acknowledged for uploader in uploaders))
    server.signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.wait) in (0, -signal.SIGTERM)
    await asyncio.gather(*tasks)
    for uploader in uploaders:
        assert not set(uploader.refused) - {503}
        assert set(await uploader.stored(pool)) == uploader.acknowledged


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[DatabaseProxy]:
    async with DatabaseProxy(database) as opened:
        yield opened


@pytest.fixture
async def cut_off(proxy: DatabaseProxy, settings: Settings, make_device: MakeDevice) -> AsyncIterator[Device]:
    """A device whose server reaches the database only through the proxy."""
    async with served_by_way_of(proxy.url, settings, make_device) as device:
        yield device


@asynccontextmanager
async def served_by_way_of(url: str, settings: Settings, make_device: MakeDevice) -> AsyncIterator[Device]:
    """Yield a device whose own server reaches the database at `url`."""
    application = Application(settings.model_copy(update={"database_url": url}))
    async with application.web.router.lifespan_context(application.web):
        transport = httpx.ASGITransport(app=application)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            device = await make_device()
            device.client = client
            yield device


async def test_uploads_are_not_acknowledged_without_the_database_and_succeed_after_it_returns(
    proxy: DatabaseProxy, cut_off: Device, pool: asyncpg.Pool
) -> None:
    client = cut_off.client
    one, two = sample(SECOND, cpu_percent=1), sample(2 * SECOND, cpu_percent=2)
    assert (await cut_off.accepted(one))["accepted"] == 1
    await proxy.cut()
    for path, answer in (
        ("metrics", await cut_off.send(two)),
        ("health", await client.get("/api/health")),
        ("device", await client.get(f"/api/agents/{cut_off.agent_id}", headers=cut_off.tenant.headers)),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable"), path
        assert int(answer.headers["Retry-After"]) > 0
    await proxy.mend()
    assert (await cut_off.accepted(two))["accepted"] == 1
    assert (await client.get("/api/health")).status_code == 200
    query = "SELECT count(*) FROM agent_metrics WHERE agent_device_id = $1"
    assert await pool.fetchval(query, cut_off.agent_id) == 2


async def test_a_silent_database_is_told_to_the_agents_while_they_listen(
    database: str, settings: Settings, make_device: MakeDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert COPY_TIMEOUT_SECONDS + CONNECT_TIMEOUT_SECONDS < TIMEOUT_SECONDS
    monkeypatch.setattr("api.services.COPY_TIMEOUT_SECONDS", 1.0)
    with SilentProxy(database) as silent:
        async with served_by_way_of(silent.dsn, settings, make_device) as device:
            await device.accepted(sample(SECOND, cpu_percent=1))  # opens the writer's connection
            silent.freeze()
            answer = await asyncio.wait_for(device.send(sample(2 * SECOND, cpu_percent=2)), 10)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
            assert int(answer.headers["Retry-After"]) > 0
            silent.mend()
            receipt = await device.accepted(sample(2 * SECOND, cpu_percent=2))
            assert receipt["accepted"] + receipt["duplicates"] == 1


async def test_a_commit_whose_answer_is_lost_is_found_as_duplicates(proxy: DatabaseProxy, cut_off: Device) -> None:
    await cut_off.accepted(sample(SECOND, cpu_percent=1))  # opens the writer's connection
    proxy.lose_answer_to(b"COMMIT")
    second = sample(2 * SECOND, cpu_percent=2)
    assert (await cut_off.send(second)).status_code == 503
    receipt = await cut_off.accepted(second)
    assert (receipt["accepted"], receipt["duplicates"]) == (0, 1)
