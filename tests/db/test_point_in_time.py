"""A base backup and archived WAL bring the database back to a moment before a disaster, and `db check` is content."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import app
from core.settings import get_settings
from db.migrations.run import downgrade
from tests.private_server import PrivateServer, private_server
from tests.waiting import wait_until

DEVICES = """
WITH b AS (INSERT INTO businesses (business_name) VALUES ('Recovered') RETURNING id),
     l AS (INSERT INTO service_locations (business_id, location_name) SELECT id, 'HQ' FROM b)
INSERT INTO agent_devices (business_id, device_name) SELECT id, 'd' || n FROM b, generate_series(1, 3) n
"""
HISTORY = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)
SELECT d.id, t, t, 5 FROM agent_devices d, generate_series(now() - interval '10 days', now(), interval '1 hour') t
"""
ONE_EACH = """
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)
SELECT id, clock_timestamp(), now(), 6 FROM agent_devices
"""
COLUMNSTORE = "SELECT count(compress_chunk(c)) FROM show_chunks('agent_metrics', older_than => interval '3 days') c"
STOP_JOBS = "SELECT _timescaledb_functions.stop_background_workers()"  # else one may refresh at the same moment
ARCHIVED = "SELECT last_archived_wal >= %s FROM pg_stat_archiver"


@pytest.fixture
def archiving(tmp_path: Path) -> Iterator[tuple[PrivateServer, Path]]:
    """A server that archives its WAL, and the folder beside its data for archive and base backup."""
    with private_server(archive_mode="on", archive_command="cp %p ../archive/%f", wal_level="replica") as server:
        folder = server.data.parent
        (folder / "archive").mkdir()
        shutil.chown(folder / "archive", folder.owner())
        yield server, folder


def count(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM agent_metrics").fetchone()
    assert row
    return int(row[0])


def run(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def is_primary(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT NOT pg_is_in_recovery()").fetchone()
    return bool(row and row[0])


def archive_all(url: str) -> None:
    """Close the WAL file that is written, and wait until it is in the archive."""
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT pg_walfile_name(pg_current_wal_lsn()), pg_switch_wal()").fetchone()
        assert row
        wait_until(lambda: (connection.execute(ARCHIVED, [row[0]]).fetchone() or [False])[0], 120)


def test_a_moment_before_a_disaster_comes_back(
    archiving: tuple[PrivateServer, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, folder = archiving
    url = server.migrated()
    run(
        url,
        STOP_JOBS,
        DEVICES,
        HISTORY,
        COLUMNSTORE,
        "CALL refresh_continuous_aggregate('agent_metrics_5m', NULL, NULL)",
    )
    began = time.monotonic()
    copy = server.copy_to(folder / "base")
    backed_up = time.monotonic() - began
    run(url, ONE_EACH)  # after the base backup: only the archive has it
    expected = count(url)
    with psycopg.connect(url) as connection:
        (moment,) = connection.execute("SELECT clock_timestamp()").fetchone() or (None,)
    run(url, ONE_EACH)  # acknowledged after the moment: lost, as the page says
    downgrade(url, "base")
    archive_all(url)
    server.stop()

    copy.configure(
        archive_mode="off", restore_command="cp ../archive/%f %p", recovery_target_time=str(moment),
        recovery_target_action="promote",
    )  # fmt: skip
    (copy.data / "recovery.signal").touch()
    began = time.monotonic()
    copy.start()
    try:
        recovered = copy.url("rts")
        wait_until(lambda: is_primary(recovered), 120)
        print(f"base backup {backed_up:.1f} s, recovery {time.monotonic() - began:.1f} s, {expected} samples")
        assert count(recovered) == expected
        monkeypatch.setenv("DATABASE_URL", recovered)
        get_settings.cache_clear()
        checked = CliRunner().invoke(app, ["db", "check"])
        assert checked.exit_code == 0, checked.output
        run(recovered, STOP_JOBS, ONE_EACH, "CALL refresh_continuous_aggregate('agent_metrics_5m', NULL, NULL)")
        assert count(recovered) == expected + 3
    finally:
        copy.stop()
        get_settings.cache_clear()
