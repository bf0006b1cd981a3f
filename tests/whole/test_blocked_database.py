"""Readiness turns within five seconds of the database being blocked, whatever blocks it, and turns back."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import httpx
import psycopg
import pytest

from api.app import Application
from core.settings import Settings
from tests.devices import Device, register_device, sample
from tests.people import make_employee, make_tenant
from tests.private_server import PrivateServer, private_server

TURNS_WITHIN = 5.0  # seconds
TICK = 0.05
APP = "CREATE ROLE app LOGIN IN ROLE rts"  # no superuser, so it has no connections in reserve


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    with private_server(max_connections="40") as started:
        with psycopg.connect(started.migrated(), autocommit=True) as admin:
            admin.execute(APP)
        yield started


@dataclass
class Served:
    """An application on the private server, and a device."""

    application: Application
    client: httpx.AsyncClient
    device: Device

    async def reasons(self) -> list[str]:
        """Return why the process isn't ready; nothing where it is."""
        answer = await self.client.get("/api/health/ready")
        return [one["code"] for one in answer.json()["error"]["details"]] if answer.status_code == 503 else []

    async def is_ready(self) -> bool:
        return not await self.reasons()

    async def until_ready(self) -> None:
        async with asyncio.timeout(120):
            while not await self.is_ready():  # noqa: ASYNC110  it is the state of the server
                await asyncio.sleep(TICK)

    async def seconds_until(self, code: str) -> float:
        """Return the seconds until readiness has this reason, without those in which this process got no core."""
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(TICK)
                ticks += 1

        clock = asyncio.create_task(tick())
        try:
            async with asyncio.timeout(120):
                while code not in await self.reasons():  # noqa: ASYNC110  it is the state of the server
                    await asyncio.sleep(TICK)
        finally:
            clock.cancel()
        print(f"readiness: {code} after {ticks * TICK:.1f} s")
        return ticks * TICK


@pytest.fixture
async def served(server: PrivateServer, key_file: Path) -> AsyncIterator[Served]:
    settings = Settings(
        DATABASE_URL=server.url("rts", "app"), keys_file=key_file, pool_size=3, agent_calls_per_minute=10_000
    )
    application = Application(settings)
    transport = httpx.ASGITransport(app=application)
    async with (
        application.web.router.lifespan_context(application.web),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        services = application.web.state.services
        employee = await make_employee(services.pool, services.tokens)
        tenant = await make_tenant(services.pool, services.tokens, "Alice")
        running = Served(application, client, await register_device(client, employee, tenant, "server-1", 60))
        assert (await running.device.send(sample())).status_code == 200
        assert await running.is_ready()
        yield running


async def test_a_frozen_server_is_a_reason(server: PrivateServer, served: Served) -> None:
    with server.frozen():
        assert await served.seconds_until("database_unavailable") <= TURNS_WITHIN
        assert (await served.client.get("/api/health/live")).status_code == 200
        assert not await served.is_ready()  # asked again, and again without waiting for long
    await served.until_ready()
    assert (await served.device.send(sample())).status_code == 200


async def test_a_frozen_server_with_uploads_under_way_is_a_reason(server: PrivateServer, served: Served) -> None:
    with server.frozen():
        uploads = [asyncio.create_task(served.device.send(sample())) for _ in range(5)]
        await asyncio.sleep(0)
        assert await served.seconds_until("database_unavailable") <= TURNS_WITHIN
    answers = await asyncio.gather(*uploads)
    assert {answer.status_code for answer in answers} <= {200, 503}
    await served.until_ready()


@pytest.mark.parametrize("table", ["agent_devices", "agent_metrics"])
async def test_a_held_lock_is_a_reason(server: PrivateServer, served: Served, table: str) -> None:
    locker = await asyncpg.connect(server.url("rts"))
    async with locker.transaction():
        await locker.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        upload = asyncio.create_task(served.device.send(sample()))
        assert await served.seconds_until("database_locked") <= TURNS_WITHIN
    assert (await upload).status_code == 200  # it waited, and is stored
    await locker.close()
    await served.until_ready()


async def test_a_busy_pool_is_no_reason_and_uploads_go_on(served: Served) -> None:
    pool = served.application.web.state.services.pool
    async with AsyncExitStack() as stack:
        for _ in range(pool.get_size() - pool.get_idle_size() + pool.get_max_size()):
            try:
                stack.push_async_callback(pool.release, await pool.acquire(timeout=0.5))
            except TimeoutError:
                break
        assert await served.is_ready()
        assert (await served.device.send(sample())).status_code == 200


async def test_a_server_that_gives_no_connection_is_a_reason(server: PrivateServer, served: Served) -> None:
    admin = await asyncpg.connect(server.url("rts"))
    try:
        await admin.execute("ALTER ROLE app CONNECTION LIMIT 0")  # refused as where all connections are taken
        assert await served.is_ready()  # on the connections that it has
        await admin.fetchval("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'app'")
        assert await served.seconds_until("database_unavailable") <= TURNS_WITHIN
    finally:
        await admin.execute("ALTER ROLE app CONNECTION LIMIT -1")
        await admin.close()
    await served.until_ready()
    assert (await served.device.send(sample())).status_code == 200
