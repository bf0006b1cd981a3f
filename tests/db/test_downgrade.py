"""A downgrade says what it loses, saves it, and an upgrade with `put-back` brings it back."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row
from typer.testing import CliRunner

from cli.main import app
from core.settings import get_settings
from db.backup.saved import SavedFilesError, put_back, read_saved
from db.backup.tools import database_name
from db.migrations.losses import read_losses
from db.migrations.run import code_revisions, downgrade, head, upgrade
from tests.databases import fresh_database, migrated_database
from tests.db.scheduler import stop_scheduler

invoke = CliRunner().invoke
COLUMNS = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0 AND NOT a.attisdropped
  AND c.relname NOT LIKE 'rts\\_agents\\_%'
  AND NOT EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e')
"""
VIEWS = {"agent_held_devices"}  # nothing of its own is lost with a view
ROWS = """
WITH b AS (INSERT INTO businesses (business_name) VALUES ('Downgraded') RETURNING id),
     d AS (INSERT INTO agent_devices (business_id, device_name, clock_offset_seconds)
           SELECT id, 'd' || n, n FROM b, generate_series(1, 3) n RETURNING id, business_id)
INSERT INTO agent_audit (actor_kind, action, agent_device_id, at)
SELECT CASE WHEN row_number() OVER () = 1 THEN 'unknown' ELSE 'system' END, 'tested', id, now() FROM d;
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, network_rx_bytes)
SELECT d.id, t, t, 5, CASE WHEN t < now() - interval '1 day' THEN -7 ELSE 7 END
FROM agent_devices d, generate_series(now() - interval '2 days', now() - interval '3 hours', interval '3 hours') t;
INSERT INTO agent_legal_holds (business_id, subject, devices, reason, placed_by, placed_at)
SELECT id, 'Downgraded', '{}', 'litigation, "quoted"', 'x', now() FROM businesses WHERE business_name = 'Downgraded';
"""
REFRESH = "CALL refresh_continuous_aggregate('agent_metrics_5m', NULL, now() - interval '1 hour')"
KEPT = {
    "devices": "SELECT * FROM agent_devices ORDER BY id",
    "audit": "SELECT * FROM agent_audit ORDER BY id",
    "seals": "SELECT * FROM agent_audit_seals",
    "samples": "SELECT * FROM agent_metrics ORDER BY agent_device_id, collected_at",
    "holds": "SELECT * FROM agent_legal_holds",
    "levels": "SELECT * FROM agent_storage_levels ORDER BY level",
    "rollup": "SELECT * FROM agent_metrics_5m ORDER BY agent_device_id, bucket",
    "businesses": "SELECT * FROM businesses",
}


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(tmp_path_factory.mktemp("steps")) as url:
        stop_scheduler(url)
        upgrade(url)
        yield url


@pytest.fixture
def filled(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database with rows that downgrades lose, named by DATABASE_URL."""
    with migrated_database(tmp_path_factory.mktemp("filled")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            for statement in ROWS.split(";\n"):
                if statement.strip():
                    connection.execute(statement.encode())
            connection.execute(REFRESH)
        monkeypatch.setenv("DATABASE_URL", url)
        get_settings.cache_clear()
        yield url
        get_settings.cache_clear()


def columns(url: str) -> set[tuple[str, str]]:
    with psycopg.connect(url) as connection:
        return {(row[0], row[1]) for row in connection.execute(COLUMNS)}


def everything(url: str) -> dict[str, list[dict[str, Any]]]:
    with psycopg.connect(url, row_factory=dict_row) as connection:
        return {name: connection.execute(query.encode()).fetchall() for name, query in KEPT.items()}


def test_every_table_and_column_that_a_downgrade_drops_is_named(steps: str) -> None:
    for revision, losses in read_losses(head(), "base").items():
        before = columns(steps)
        downgrade(steps, "-1")
        gone = {one for one in before - columns(steps) if one[0] not in VIEWS}
        whole = {loss.table for loss in losses if loss.is_whole}
        some = {(loss.table, column) for loss in losses for column in loss.columns}
        assert {one for one in gone if one[0] not in whole} == {one for one in some if one[0] not in whole}, revision
        assert {table for table, _ in gone if table not in {name for name, _ in columns(steps)}} <= whole, revision


def test_a_plan_names_the_database_and_each_loss_and_changes_nothing(filled: str) -> None:
    before = everything(filled)
    planned = invoke(app, ["db", "downgrade", "0017", "--plan"])
    assert planned.exit_code == 0, planned.output
    assert f"target: database {database_name(filled)}" in planned.output
    assert "0021 loses" in planned.output
    assert "agent_legal_holds (1 rows)" in planned.output
    assert "clock_offset_seconds" in planned.output
    assert [line for line in planned.output.splitlines() if line.startswith("nothing is lost by") and "0026" in line]
    assert everything(filled) == before


@pytest.mark.parametrize("target", ["0017", "base"])
def test_rows_saved_by_a_downgrade_are_put_back_after_the_upgrade(filled: str, target: str, tmp_path: Path) -> None:
    before, folder, name = everything(filled), tmp_path / "saved", database_name(filled)
    done = invoke(app, ["db", "downgrade", target, "--yes", "--save", str(folder)])
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    with pytest.raises(SavedFilesError, match="db upgrade"):
        put_back(filled, folder)
    upgrade(filled)
    assert everything(filled) != before
    back = invoke(app, ["db", "put-back", str(folder), "--database", name])
    assert back.exit_code == 0, back.output
    with psycopg.connect(filled, autocommit=True) as connection:
        connection.execute(REFRESH)  # as its job does: upgrades compute rollups from the samples that are there
    assert everything(filled) == before
    again = invoke(app, ["db", "put-back", str(folder), "--database", name])
    assert again.exit_code == 0, again.output
    assert everything(filled) == before


def test_a_file_that_was_changed_is_refused(filled: str, tmp_path: Path) -> None:
    folder = tmp_path / "saved"
    assert invoke(app, ["db", "downgrade", "0020", "--yes", "--save", str(folder)]).exit_code == 0
    one = folder / read_saved(folder).tables[0].file
    one.write_bytes(one.read_bytes() + b"more")
    upgrade(filled)
    with pytest.raises(SavedFilesError, match=one.name):
        put_back(filled, folder)


def test_a_folder_that_exists_is_refused_and_nothing_is_dropped(filled: str, tmp_path: Path) -> None:
    before = everything(filled)
    refused = invoke(app, ["db", "downgrade", "base", "--yes", "--save", str(tmp_path)])
    assert isinstance(refused.exception, SavedFilesError)
    assert everything(filled) == before


def test_every_revision_is_read() -> None:
    assert set(read_losses(head(), "base")) == code_revisions()
