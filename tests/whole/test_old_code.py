"""The code before the newest revision, beside today's, on today's schema: a deployment, and the way back from one."""

import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import asyncpg
import httpx
import pytest

from core.clock import utc_now
from tests.conftest import MakeDevice
from tests.devices import sample
from tests.whole.processes import METRICS_TOKEN, ServerProcess, free_port, running_server

ROOT = Path(__file__).parents[2]


def git(*arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout


@pytest.fixture(scope="module")
def old_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the commit before the newest revision."""
    added = ["log", "-1", "--format=%H", "--diff-filter=A", "--", "db/migrations/versions/"]
    try:
        files = git("archive", git(*added).decode().strip() + "^")
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs the history of the repository")
    folder = tmp_path_factory.mktemp("old")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=files, check=True)
    return folder


@pytest.fixture
def old_server(old_code: Path, database: str, key_file: Path, tmp_path: Path) -> Iterator[ServerProcess]:
    settings = {"PYTHONPATH": str(old_code)}
    server = ServerProcess(database, key_file, free_port(), tmp_path / "old.log", **settings)
    server.folder = old_code
    server.start()
    try:
        yield server
    finally:
        server.stop()


async def test_code_before_the_newest_revision_serves_beside_todays(
    old_server: ServerProcess, old_code: Path, database: str, key_file: Path, tmp_path: Path,
    make_device: MakeDevice, pool: asyncpg.Pool,
) -> None:  # fmt: skip
    newest = sorted(file.name for file in (ROOT / "db/migrations/versions").glob("[0-9]*.py"))
    older = sorted(file.name for file in (old_code / "db/migrations/versions").glob("[0-9]*.py"))
    assert older < newest
    device, began = await make_device(), utc_now().replace(microsecond=0) - timedelta(hours=1)
    with running_server(database, key_file, tmp_path) as new_server:
        for number, server in enumerate((old_server, new_server, old_server, new_server)):
            async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
                assert (await client.get("/api/health/ready")).status_code == 200
                metrics = [sample(began + timedelta(minutes=number), cpu_percent=number)]
                url = f"/api/agents/{device.agent_id}"
                answer = await client.post(f"{url}/metrics", json={"metrics": metrics}, headers=device.headers)
                assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
                answer = await client.post(
                    f"{url}/heartbeat", json={"timestamp": utc_now().isoformat()}, headers=device.headers
                )
                assert answer.status_code == 200, answer.text
                answer = await client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})
                assert "rts_database_up 1" in answer.text
    stored = "SELECT array_agg(cpu_percent ORDER BY collected_at) FROM agent_metrics WHERE agent_device_id = $1"
    assert await pool.fetchval(stored, device.agent_id) == [0, 1, 2, 3]
    assert "Traceback" not in old_server.log
