"""A backup is restored and compared; a restore that lost something is named. Needs a server and its pg_dump."""

import asyncio
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from cli.database import connect_and_check
from cli.main import app
from core.clock import utc_now
from core.database_urls import with_schema
from core.settings import get_settings
from db.backup.drill import beside, drill
from db.backup.dump import BackupRefusedError, backup
from db.backup.manifest import (
    Contents,
    ManifestError,
    differences,
    file_sha256,
    manifest_path,
    query,
    read_manifest,
)
from db.backup.restore import (
    RestoreIncompleteError,
    RestoreRefusedError,
    check_against,
    drop_database,
    make_database,
    restore,
    start_jobs,
    what_next,
)
from db.backup.tools import BackupToolError, at_database, database_name, find_tool
from db.migrations.run import upgrade
from db.schema_check import RestoreNotEndedError
from tests.databases import REAL_SERVER, migrated_database
from tests.db.scheduler import stop_scheduler

invoke = CliRunner().invoke


def tools_missing() -> str:
    """Return why no backup can be taken here; empty where one can."""
    if not REAL_SERVER:
        return "the embedded database has no pg_dump: set DATABASE_URL"
    with psycopg.connect(REAL_SERVER) as connection:
        version = query(connection, "describe_database")[0][1]
    try:
        find_tool("pg_dump", version)
        find_tool("pg_restore", version)
    except BackupToolError as error:
        return error.message
    return ""


MISSING = tools_missing()
on_a_server = pytest.mark.skipif(bool(MISSING), reason=MISSING)


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with 3 devices, 40 days of samples in the rowstore and columnstore, and rollups."""
    with migrated_database(tmp_path_factory.mktemp("filled")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "WITH b AS (INSERT INTO businesses (business_name) VALUES ('Backed up') RETURNING id)"
                " INSERT INTO agent_devices (business_id, device_name)"
                " SELECT id, 'd' || n FROM b, generate_series(1, 3) n"
            )
            connection.execute(
                "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)"
                " SELECT d.id, t, t, 5 FROM agent_devices d,"
                " generate_series(now() - interval '40 days', now(), interval '6 hours') t"
            )
            connection.execute("CALL refresh_continuous_aggregate('agent_metrics_5m', NULL, now() - interval '1 hour')")
            connection.execute(
                "SELECT compress_chunk(c) FROM show_chunks('agent_metrics', older_than => now() - interval '3 days') c"
            )
        yield url


@pytest.fixture(scope="module")
def dump(filled: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("dumps") / "rts.dump"
    backup(filled, file, utc_now())
    return file


def exists(url: str) -> bool:
    with psycopg.connect(REAL_SERVER) as connection:
        return bool(query(connection, "find_database", name=make_url(url).database)[0][0])


@pytest.fixture
def copy(filled: str) -> Iterator[str]:
    """The URL of a database that is not there yet; it is gone afterwards."""
    url = beside(filled)
    yield url
    drop_database(url)


@on_a_server
def test_a_restore_brings_everything_back_with_its_jobs_paused(
    filled: str, dump: Path, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = restore(copy, dump, utc_now())
    assert done.faults == []
    assert done.manifest.contents.rows["public.agent_metrics"] == 3 * 161
    assert done.manifest.contents.chunks["agent_metrics"][1] > 30  # in the columnstore
    with psycopg.connect(copy) as connection:
        jobs = query(connection, "list_jobs")
        assert jobs
        assert not any(scheduled for _, _, scheduled in jobs)
        # older than retention keeps, and still there
        assert connection.execute("SELECT min(collected_at) < now() - interval '39 days' FROM agent_metrics").fetchone()
        (note,) = connection.execute("SELECT is_good FROM agent_backup_log WHERE kind = 'restore'").fetchall()
        assert note == (True,)
    assert check_against(copy, done.manifest) == []
    monkeypatch.setenv("DATABASE_URL", copy)
    get_settings.cache_clear()
    arguments = ["db", "restore", str(dump), "--database", str(make_url(copy).database), "--check"]
    assert invoke(app, arguments).exit_code == 0
    with psycopg.connect(copy) as connection:  # as a restore that lost one row, and nothing that `db check` could see
        connection.execute(
            "DELETE FROM agent_metrics WHERE collected_at = (SELECT max(collected_at) FROM agent_metrics)"
        )
    compared = invoke(app, arguments)
    get_settings.cache_clear()
    assert compared.exit_code == 1
    assert "public.agent_metrics has 480 rows, the backup has 483" in compared.output
    assert start_jobs(copy, done.manifest) == len(jobs)  # last: they run at once, and drop what is old
    with psycopg.connect(copy) as connection:
        assert all(scheduled for _, _, scheduled in query(connection, "list_jobs"))


@on_a_server
def test_a_restore_without_timescaledbs_steps_is_noticed(
    filled: str, dump: Path, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_database(copy)
    tool = find_tool("pg_restore", read_manifest(dump).postgres)
    target = make_url(copy).set(drivername="postgresql").render_as_string(hide_password=False)
    naive = subprocess.run([tool, f"--dbname={target}", str(dump)], capture_output=True, text=True, check=False)
    assert "errors ignored" in naive.stderr
    faults = "\n".join(check_against(copy, read_manifest(dump)))
    assert "the key agent_metrics_pkey is missing" in faults
    assert "public.agent_metrics has " in faults  # rows were lost
    monkeypatch.setenv("DATABASE_URL", copy)
    get_settings.cache_clear()
    checked = invoke(app, ["db", "check"])
    get_settings.cache_clear()
    assert checked.exit_code == 1
    assert "agent_metrics_pkey is missing" in checked.output


@on_a_server
def test_a_restore_that_was_not_ended_is_noticed(copy: str, filled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_database(copy)
    upgrade(copy)
    with psycopg.connect(copy, autocommit=True) as connection:
        query(connection, "begin_restore")
    monkeypatch.setenv("DATABASE_URL", copy)
    get_settings.cache_clear()
    checked = invoke(app, ["db", "check"])
    get_settings.cache_clear()
    assert checked.exit_code == 1
    assert "timescaledb_post_restore()" in checked.output


@on_a_server
def test_a_drill_proves_a_backup_and_drops_its_copy(
    filled: str, dump: Path, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.backup.drill.beside", lambda _: copy)
    done = drill(filled, utc_now(), dump=dump)
    assert done.faults == []
    assert done.rows > 483
    assert not exists(copy)
    with psycopg.connect(filled) as connection:
        assert connection.execute(
            "SELECT bool_and(is_good) FROM agent_backup_log WHERE kind = 'drill' AND details ->> 'rows' <> '0'"
        ).fetchone() == (True,)


@on_a_server
def test_a_drill_of_a_backup_that_lacks_rows_fails_and_is_noted(
    filled: str, dump: Path, tmp_path: Path, copy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.backup.drill.beside", lambda _: copy)
    manifest = read_manifest(dump)
    rows = manifest.contents.rows | {"public.agent_metrics": 484, "public.agent_lost": 1}
    wrong = msgspec.structs.replace(manifest, contents=msgspec.structs.replace(manifest.contents, rows=rows))
    bad = tmp_path / "bad.dump"
    bad.write_bytes(dump.read_bytes())
    manifest_path(bad).write_bytes(msgspec.json.encode(wrong))
    done = drill(filled, utc_now(), dump=bad)
    assert done.faults == [
        "public.agent_metrics has 483 rows, the backup has 484 rows of it",
        "public.agent_lost is missing, the backup has 1 rows of it",
    ]
    assert not exists(copy)
    with psycopg.connect(filled) as connection:
        assert connection.execute(
            "SELECT is_good FROM agent_backup_log WHERE kind = 'drill' ORDER BY id DESC LIMIT 1"
        ).fetchone() == (False,)


@on_a_server
def test_a_backup_is_private_and_replaces_none(filled: str, dump: Path) -> None:
    for file in (dump, manifest_path(dump)):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with pytest.raises(BackupRefusedError, match="exists"):
        backup(filled, dump, utc_now())
    assert not list(dump.parent.glob("*.part"))


@on_a_server
def test_a_database_that_holds_something_is_never_restored_over(filled: str, dump: Path) -> None:
    with pytest.raises(RestoreRefusedError, match="not empty"):
        restore(filled, dump, utc_now())


@on_a_server
@pytest.mark.parametrize("damage", ["cut off", "changed", "without a manifest"])
def test_a_damaged_backup_is_refused(dump: Path, tmp_path: Path, damage: str) -> None:
    file = tmp_path / "rts.dump"
    whole = dump.read_bytes()
    file.write_bytes({"cut off": whole[:-100], "changed": b"x" + whole[1:]}.get(damage, whole))
    if damage != "without a manifest":
        manifest_path(file).write_bytes(manifest_path(dump).read_bytes())
    with pytest.raises(ManifestError):
        read_manifest(file)


@on_a_server
def test_a_backup_that_ends_too_early_leaves_a_database_that_says_so(dump: Path, tmp_path: Path, copy: str) -> None:
    file = tmp_path / "rts.dump"
    file.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])
    described = msgspec.json.decode(manifest_path(dump).read_bytes()) | {"sha256": file_sha256(file)}
    manifest_path(file).write_bytes(msgspec.json.encode(described))
    with pytest.raises(RestoreIncompleteError, match=f"{database_name(copy)} has only a part of the backup: drop it"):
        restore(copy, file, utc_now())
    with pytest.raises(RestoreRefusedError, match="DROP DATABASE"):
        restore(copy, dump, utc_now())
    with pytest.raises(RestoreNotEndedError):
        asyncio.run(connect_and_check(copy))  # db upgrade: it would name our own tables as another program's
    with pytest.raises(RestoreNotEndedError):
        asyncio.run(connect_and_check(copy, schema=True))


@on_a_server
def test_without_the_program_nothing_is_made(dump: Path, tmp_path: Path, copy: str) -> None:
    with pytest.raises(BackupToolError):
        restore(copy, dump, utc_now(), folder=str(tmp_path))
    assert restore(copy, dump, utc_now()).faults == []


def test_a_missing_role_leads_to_both_ways_out() -> None:
    text = what_next('pg_restore failed: ERROR:  role "old_owner" does not exist', "restored")
    assert "rts-agents db roles --apply" in text
    assert "--no-owner" in text
    assert "--no-owner" not in what_next("pg_restore failed: end of file", "restored")


@pytest.mark.skipif(bool(REAL_SERVER), reason="a real server has a dump")
def test_the_embedded_database_says_how_it_is_backed_up(filled: str, tmp_path: Path) -> None:
    with pytest.raises(BackupRefusedError, match="stop it and copy its folder"):
        backup(filled, tmp_path / "rts.dump", utc_now())
    assert not list(tmp_path.iterdir())


def test_an_older_pg_dump_is_refused(tmp_path: Path) -> None:
    tool = tmp_path / "pg_dump"
    tool.write_text("#!/bin/sh\necho 'pg_dump (PostgreSQL) 15.18'\n")
    tool.chmod(0o755)
    assert find_tool("pg_dump", 15, str(tmp_path)) == tool
    with pytest.raises(BackupToolError, match="older than the server's 17"):
        find_tool("pg_dump", 17, str(tmp_path))
    with pytest.raises(BackupToolError, match="postgresql-client-17"):
        find_tool("pg_restore", 17, os.devnull)


def test_every_difference_is_a_sentence() -> None:
    backed_up = Contents("2.29.2", "0019", {"a": 1, "b": 2}, {"h": [3, 2]}, {1000: "policy"}, [1000])
    assert list(differences(backed_up, backed_up)) == []
    restored = Contents("2.29.2", "0018", {"a": 0}, {}, {}, [])
    assert list(differences(backed_up, restored)) == [
        "the schema is at revision 0018, the backup is of 0019",
        "a has 0 rows, the backup has 1 rows of it",
        "b is missing, the backup has 2 rows of it",
        "h: 0 chunks, 0 in the columnstore; the backup has 3 and 2",
        "job 1000 is missing or differs: policy",
    ]


@on_a_server
def test_a_schema_of_its_own_is_backed_up_and_proven(filled: str, tmp_path: Path) -> None:
    own = with_schema(beside(filled), "rts")
    make_database(own)
    try:
        stop_scheduler(own)
        upgrade(own)
        done = drill(own, utc_now())
        assert done.faults == []
    finally:
        drop_database(own)


def test_the_name_of_a_database_changes_and_nothing_else_of_a_url() -> None:
    url = with_schema("postgresql://rts:p%40ss@db-1:5432/rts?sslmode=require", "rts")
    other = at_database(url, "copy")
    assert database_name(other) == "copy"
    assert conninfo_to_dict(other) == conninfo_to_dict(url) | {"dbname": "copy"}
