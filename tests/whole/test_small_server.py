"""A server of 1 GB and 30 connections with the settings of `db tune`: two processes, the worker and 200 agents fit."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from api.app import Application
from cli.main import app
from core.clock import utc_now
from core.settings import Settings
from db.server_advice import Machine, advise
from tests.devices import Device, register_device, sample
from tests.people import make_employee, make_tenant
from tests.private_server import PrivateServer, memory_group, private_server
from tests.whole.processes import running_server

MEMORY_MIB, CORES, CONNECTIONS, AGENTS, ROUNDS = 1024, 2, 30, 200, 10
DAYS = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, network_rx_bytes)
SELECT d.id, t, t, random() * 100, 50, extract(epoch FROM t) * 1000
FROM agent_devices d, generate_series(now() - interval '3 days', now() - interval '1 hour', interval '5 minutes') t
"""


@pytest.fixture(scope="module")
def small() -> Iterator[tuple[PrivateServer, Path]]:
    advice = {one.name: one.value for one in advise(Machine(MEMORY_MIB, CORES, CONNECTIONS))}
    advice["wal_compression"] = "pglz"  # lz4 is an option when PostgreSQL is built
    with memory_group(MEMORY_MIB) as group, private_server(group, **advice) as server:
        server.migrated()
        yield server, group


def pool_size() -> str:
    output = CliRunner().invoke(app, ["db", "tune", "--memory", "1GB", "--cores", "2", "--connections", "30"])
    match = re.search(r"RTS_POOL_SIZE=(\d+) for 2 processes", output.output)
    assert match, output.output
    return match[1]


async def devices_of(url: str, key_file: Path) -> list[Device]:
    application = Application(
        Settings(DATABASE_URL=url, keys_file=key_file, pool_size=2, agent_calls_per_minute=100_000)
    )
    transport = httpx.ASGITransport(app=application)
    async with (
        application.web.router.lifespan_context(application.web),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        services = application.web.state.services
        employee = await make_employee(services.pool, services.tokens)
        tenant = await make_tenant(services.pool, services.tokens, "Alice")
        return [await register_device(client, employee, tenant, f"server-{n}", 60) for n in range(AGENTS)]


@contextmanager
def worker_beside(url: str, key_file: Path, log: Path) -> Iterator[None]:
    """Run the worker as a process of its own."""
    command = [sys.executable, "-m", "cli", "worker", "--exit-with-parent"]
    environment = os.environ | {"DATABASE_URL": url, "RTS_KEYS_FILE": str(key_file)}
    with log.open("wb") as out:
        worker = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=out, stderr=out)
    try:
        yield
        assert worker.poll() is None, log.read_text()
        assert "Traceback" not in log.read_text()
    finally:
        worker.kill()
        worker.communicate(timeout=60)


async def took(client: httpx.AsyncClient, url: str, body: object, headers: dict[str, str]) -> bool:
    """Return whether an upload was answered with 200; a connection that was closed is no answer."""
    with suppress(httpx.TransportError):
        return (await client.post(url, json=body, headers=headers)).status_code == 200
    return False


async def upload(client: httpx.AsyncClient, devices: list[Device], began: datetime) -> int:
    """Let every agent upload ROUNDS times, all at once; returns how often one had to send again, as agents do."""

    async def one(device: Device) -> int:
        again = 0
        for number in range(ROUNDS):
            body = {"metrics": [sample(began + timedelta(seconds=number), cpu_percent=number)]}
            url = f"/api/agents/{device.agent_id}/metrics"
            while not await took(client, url, body, device.headers):
                again += 1
                await asyncio.sleep(0.5)
        return again

    async with asyncio.timeout(300):
        return sum(await asyncio.gather(*map(one, devices)))


async def test_two_processes_worker_and_200_agents_run_within_the_limits(
    small: tuple[PrivateServer, Path], key_file: Path, tmp_path: Path
) -> None:
    server, group = small
    url = server.url("rts")
    devices, began = await devices_of(url, key_file), utc_now().replace(microsecond=0) - timedelta(minutes=5)
    settings = {"RTS_POOL_SIZE": await asyncio.to_thread(pool_size)}
    with running_server(url, key_file, tmp_path, "--workers", "2", **settings) as served:
        with worker_beside(url, key_file, tmp_path / "worker.log"):
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute(DAYS)  # 172,800 rows, for refresh and columnstore to work on
            connections = httpx.Limits(max_keepalive_connections=0)
            async with httpx.AsyncClient(base_url=served.url, timeout=120, limits=connections) as client:
                again = await upload(client, devices, began)
                for device in devices[:20]:  # one after the other: the pool has two connections
                    chart = f"/api/agents/{device.agent_id}/metrics/history?metric=cpu_percent"
                    answer = await client.get(chart, headers=device.tenant.headers)
                    assert answer.status_code == 200, answer.text
            connection = await asyncpg.connect(url)
            job = await connection.fetchval("SELECT min(job_id) FROM agent_storage_jobs() WHERE kind = 'refresh'")
            await connection.execute(f"CALL run_job({job})")
            assert await connection.fetchval("SELECT count(*) FROM agent_metrics_5m") > AGENTS
            stored = await connection.fetchval("SELECT count(*) FROM agent_metrics WHERE collected_at >= $1", began)
            assert stored == AGENTS * ROUNDS
            used = await connection.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
            )
            await connection.close()
        log = served.log
    assert "too many" not in log
    assert "too many" not in server.log.read_text()
    assert "connection slots" not in server.log.read_text()
    peak = int((group / "memory.max_usage_in_bytes").read_text()) >> 20
    killed = re.search(r"oom_kill (\d+)", (group / "memory.oom_control").read_text())
    print(f"connections {used} of {CONNECTIONS}, memory at most {peak} of {MEMORY_MIB} MiB with the page cache")
    print(f"{again} of {AGENTS * ROUNDS} uploads were sent again")
    assert killed
    assert killed[1] == "0"
    assert used <= CONNECTIONS - 3
