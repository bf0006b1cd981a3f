"""Health: whether the server lives and should get requests, asked by anybody."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import asyncpg
import httpx
import pytest

from api.app import Application
from api.server import readiness
from api.services import Services
from core.settings import Settings
from db.migrations.run import head
from tests.databases import REAL_SERVER
from tests.devices import Device, sample
from tests.people import Employee, Tenant
from tests.serving import started
from tests.whole.proxy import DatabaseProxy


async def test_health_needs_no_token_and_takes_a_bad_one(client: httpx.AsyncClient) -> None:
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        response = await client.get("/api/health", headers=headers)
        assert (response.status_code, response.json()) == (200, {"status": "ok", "buffered_samples": 0})


async def test_a_server_that_is_well_lives_and_is_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/health/live")).json() == {"status": "alive"}
    response = await client.get("/api/health/ready")
    assert (response.status_code, response.json()) == (200, {"status": "ready"})


async def reasons(client: httpx.AsyncClient) -> list[str]:
    """Return the codes of a server that isn't ready."""
    response = await client.get("/api/health/ready")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "not_ready")
    assert int(response.headers["Retry-After"]) > 0
    return [reason["code"] for reason in response.json()["error"]["details"]]


@pytest.fixture
async def other(settings: Settings) -> AsyncIterator[Application]:
    """An application of its own, that a test may put out of order."""
    application = Application(settings)
    async with application.web.router.lifespan_context(application.web):
        yield application


def client_of(application: Application) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://test")


def drain(services: Services) -> None:
    services.process.drain()


def fill(services: Services) -> None:
    services.commits.buffered = services.commits.max_samples


def stick(services: Services) -> None:
    services.commits.writing_since = time.monotonic() - 31


def fail(services: Services) -> None:
    services.process.counts.uploads.failed_at = time.monotonic()


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(drain, "draining"), (fill, "buffer_full"), (stick, "writer_stuck"), (fail, "writer_failed")],
    ids=["draining", "full", "stuck", "failed"],
)
async def test_a_process_that_should_get_no_requests_says_why(
    other: Application, spoil: Callable[[Services], None], code: str
) -> None:
    spoil(other.web.state.services)
    async with client_of(other) as client:
        assert await reasons(client) == [code]
        assert (await client.get("/api/health/live")).status_code == 200


async def test_a_failed_flush_is_forgotten_after_a_while(other: Application) -> None:
    """Else the process, without requests, would never find out that it works again."""
    services: Services = other.web.state.services
    services.process.counts.uploads.failed_at = time.monotonic() - readiness.FAILED_SECONDS
    async with client_of(other) as client:
        assert (await client.get("/api/health/ready")).status_code == 200


async def test_without_its_database_a_process_lives_but_isnt_ready(database: str, settings: Settings) -> None:
    async with DatabaseProxy(database) as proxy, started(settings, database_url=proxy.url) as (client, _):
        await proxy.cut()
        assert await reasons(client) == ["database_unavailable"]
        assert (await client.get("/api/health/live")).status_code == 200


async def test_a_hundred_probes_cost_the_database_one_query(other: Application) -> None:
    services: Services = other.web.state.services
    async with client_of(other) as client:
        await client.get("/api/health/ready")
        asked = services.readiness.database.asked_at
        for _ in range(100):
            assert (await client.get("/api/health/ready")).status_code == 200
        assert services.readiness.database.asked_at == asked


async def test_a_schema_that_is_older_isnt_served_and_a_newer_one_is(
    other: Application, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """During an upgrade the schema is migrated first: the old processes go on until they are restarted."""
    monkeypatch.setattr(other.web.state.services.readiness.database, "seconds", 0.0)
    change = "UPDATE rts_agents_alembic_version SET version_num = $1"
    async with client_of(other) as client:
        try:
            await pool.execute(change, "0002")
            assert await reasons(client) == ["schema_not_migrated"]
            await pool.execute(change, "of next year")
            assert (await client.get("/api/health/ready")).status_code == 200
        finally:
            await pool.execute(change, head())


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one session with one state for all")
async def test_a_database_that_takes_no_writes_gets_no_requests(
    database: str, settings: Settings, employee: Employee, dora: Tenant
) -> None:
    standby = f"{database}?options=-c%20default_transaction_read_only%3Don"
    async with started(settings, database_url=standby) as (client, _):
        assert await reasons(client) == ["database_read_only"]
        body = {"business_id": str(dora.business_id), "device_name": "x", "metrics_interval_seconds": 60}
        refused = await client.post("/api/agents/registration-tokens", json=body, headers=employee.headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "database_unavailable")
        assert "is read-only" in refused.json()["error"]["message"]
        assert (await client.get("/api/agents", headers=employee.headers)).status_code == 200


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one session: nobody else can hold a lock")
async def test_a_table_that_another_session_locks_is_a_reason_within_five_seconds(
    other: Application, database: str, device: Device
) -> None:
    locker = await asyncpg.connect(database)
    async with client_of(other) as client:
        assert (await client.get("/api/health/ready")).status_code == 200
        async with locker.transaction():
            await locker.execute("LOCK TABLE agent_devices IN ACCESS EXCLUSIVE MODE")
            here = Device(client, device.agent_id, device.token, device.tenant)
            upload = asyncio.create_task(here.send(sample()))
            began = time.monotonic()
            while (await client.get("/api/health/ready")).status_code == 200:
                assert time.monotonic() - began < 30
                await asyncio.sleep(0.1)
            assert await reasons(client) == ["database_locked"]
        assert (await upload).status_code == 200  # it waited, and is stored
        while (await client.get("/api/health/ready")).status_code != 200:
            assert time.monotonic() - began < 60
            await asyncio.sleep(0.1)
    await locker.close()


async def test_a_clock_that_differs_from_the_databases_is_a_reason(
    other: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = time.time
    monkeypatch.setattr("time.time", lambda: real() - 3 * 3600)
    async with client_of(other) as client:
        assert await reasons(client) == ["clock_differs"]
