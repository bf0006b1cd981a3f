"""PgBouncer before the database: session mode works, transaction mode is refused with the reason."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from core.settings import Settings
from db.migrations.run import upgrade
from db.pooler_check import UnsuitablePoolerError, check_pooler
from db.pools import PoolerRefusesError, open_pool
from tests.databases import REAL_SERVER, migrated_database

PROGRAM = shutil.which("pgbouncer") or next((p for p in ("/usr/sbin/pgbouncer",) if Path(p).exists()), "")
pytestmark = [
    pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one session for all"),
    pytest.mark.skipif(not PROGRAM, reason="pgbouncer is not installed: apt-get install pgbouncer"),
]
IGNORED = "ignore_startup_parameters = plan_cache_mode, jit, timezone, options, extra_float_digits"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated_database(tmp_path_factory.mktemp("pooled")) as url:
        yield url


@contextmanager
def pgbouncer(directory: Path, database: str, mode: str, ignored: str) -> Iterator[str]:
    """Run a pgbouncer before `database` and yield the URL through it."""
    url = make_url(database)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    directory.chmod(0o755)
    for parent in list(directory.parents)[:3]:
        parent.chmod(parent.stat().st_mode | 0o055)
    config, log = directory / "pgbouncer.ini", directory / "pgbouncer.log"
    config.write_text(
        f"[databases]\n{url.database} = host={url.host} port={url.port} dbname={url.database} user={url.username}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nauth_type = any\npool_mode = {mode}\n"
        f"unix_socket_dir =\n{ignored}\n"
    )
    command = [PROGRAM, str(config)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, user="nobody" if os.geteuid() == 0 else None)
        try:
            deadline = time.monotonic() + 30
            while "listening on 127.0.0.1" not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.05)
            yield url.set(port=port).render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait(timeout=30)


def test_transaction_mode_is_refused_with_the_reason(tmp_path: Path, database: str) -> None:
    with pgbouncer(tmp_path, database, "transaction", IGNORED) as url, pytest.raises(UnsuitablePoolerError) as refused:
        check_pooler(url)
    assert "pool_mode = session" in refused.value.message


async def test_a_pooler_that_refuses_our_settings_is_named(tmp_path: Path, database: str) -> None:
    with pgbouncer(tmp_path, database, "session", "") as url, pytest.raises(PoolerRefusesError):
        await open_pool(url, size=1, name="api")


async def test_session_mode_works(tmp_path: Path, database: str) -> None:
    with pgbouncer(tmp_path, database, "session", IGNORED) as url:
        check_pooler(url)
        upgrade(url)
        pool = await open_pool(Settings(DATABASE_URL=url).database_url, size=2, name="api")
        try:
            assert await pool.fetchval("SELECT count(*) FROM agent_devices") == 0
        finally:
            await pool.close()


def test_no_pooler_is_no_fault(database: str) -> None:
    check_pooler(database)
