"""A full disk: uploads are refused, none that was acknowledged is lost, and all is well once there is room again."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from uuid import uuid4

import asyncpg
import httpx
import psycopg
import pytest
from sqlalchemy.engine import make_url

from api.app import Application
from core.clock import utc_now
from core.settings import Settings
from db.migrations.run import upgrade
from tests.databases import ADMIN, REAL_SERVER
from tests.devices import register_device, sample
from tests.people import make_employee, make_tenant
from tests.platform.kinds import build_platform

pytestmark = pytest.mark.skipif(
    not REAL_SERVER or os.geteuid() != 0, reason="needs a server on this machine, and root to mount a small disk"
)
SIZE = "160m"


@contextmanager
def small_disk(owner: int) -> Iterator[Path]:
    """Mount a small file system that belongs to the server's user."""
    folder = Path(tempfile.mkdtemp(prefix="rts-full-", dir="/var/tmp"))
    folder.chmod(0o755)
    place = folder / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},uid={owner},mode=700", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def small() -> Iterator[tuple[str, Path]]:
    """The URL of a migrated database on a small disk, and the disk."""
    name = f"rts_test_full_{uuid4().hex[:8]}"
    with psycopg.connect(ADMIN, autocommit=True) as admin:
        (where,) = admin.execute("SHOW data_directory").fetchone() or ("",)
        with small_disk(Path(where).stat().st_uid) as disk:
            admin.execute(f"CREATE TABLESPACE {name} LOCATION '{disk}'".encode())
            owner = make_url(REAL_SERVER).username
            admin.execute(f"CREATE DATABASE {name} OWNER {owner} TABLESPACE {name} TEMPLATE template0".encode())
            url = REAL_SERVER.rpartition("/")[0] + f"/{name}"
            try:
                build_platform(url, "ours")
                upgrade(url)
                yield url, disk
            finally:
                admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())
                admin.execute(f"DROP TABLESPACE {name}".encode())


def fill(disk: Path) -> Path:
    """Write a file until nothing fits any more."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as out:
        for size in (1 << 20, 4096):
            try:
                while True:
                    out.write(bytes(size))
            except OSError:
                continue
    return file


async def test_a_full_disk_refuses_uploads_and_loses_none(small: tuple[str, Path], key_file: Path) -> None:
    url, disk = small
    application = Application(Settings(database_url=url, keys_file=key_file, agent_calls_per_minute=1_000_000))
    transport = httpx.ASGITransport(app=application)
    async with (
        application.web.router.lifespan_context(application.web),
        httpx.AsyncClient(transport=transport, base_url="http://test") as client,
    ):
        services = application.web.state.services
        employee = await make_employee(services.pool, services.tokens)
        tenant = await make_tenant(services.pool, services.tokens, "Alice")
        device = await register_device(client, employee, tenant, "server-1", 60)
        began, numbers, acknowledged = utc_now().replace(microsecond=0) - timedelta(days=1), count(), 0

        def some() -> list[dict[str, object]]:
            return [sample(began + timedelta(seconds=next(numbers)), cpu_percent=1) for _ in range(200)]

        async def send(samples: list[dict[str, object]]) -> httpx.Response:
            path = f"/api/agents/{device.agent_id}/metrics"
            return await client.post(path, json={"metrics": samples}, headers=device.headers)

        assert (await send(some())).status_code == 200
        acknowledged += 200
        filler = fill(disk)
        refused = some()
        while (answer := await send(refused)).status_code == 200:  # what is left of pages that exist
            acknowledged, refused = acknowledged + 200, some()
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["Retry-After"]) > 0
        filler.unlink()

        async with asyncio.timeout(60):
            while True:
                if (await send(refused)).status_code == 200:
                    break
                await asyncio.sleep(0.2)
        acknowledged += 200
        assert await stored(url) == acknowledged


async def stored(url: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        rows: int = await connection.fetchval("SELECT count(*) FROM agent_metrics")
        return rows
    finally:
        await connection.close()
