"""A database marked production, and one that a restore left incomplete."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy.engine import make_url
from typer.testing import CliRunner

from cli.main import app
from core.settings import get_settings
from db.environment import MarkNotAllowedError, ProductionDatabaseError, confirm_target, set_mark
from loadtest.plan import LoadSettings
from loadtest.run import site_for
from tests.databases import REAL_SERVER, as_admin, migrated_database

run = CliRunner().invoke


@pytest.fixture
def url(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A migrated database of its own, named by DATABASE_URL."""
    with migrated_database(tmp_path_factory.mktemp("marked")) as database_url:
        monkeypatch.setenv("DATABASE_URL", database_url)
        get_settings.cache_clear()
        yield database_url
        get_settings.cache_clear()


def mark(url: str, environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mark a database by the command, as a superuser."""
    with monkeypatch.context() as patched:
        patched.setenv("DATABASE_URL", as_admin(url))
        get_settings.cache_clear()
        assert run(app, ["db", "mark", environment]).exit_code == 0
    get_settings.cache_clear()


def name_of(url: str) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT current_database()").fetchone()
    assert row
    return str(row[0])


def has_devices(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT to_regclass('agent_devices') IS NOT NULL").fetchone()
    return bool(row and row[0])


def test_a_marked_database_is_changed_only_by_its_name(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = name_of(url)
    mark(url, "production", monkeypatch)
    for command in (["db", "upgrade"], ["db", "downgrade", "base", "--yes"]):
        refused = run(app, command)
        assert isinstance(refused.exception, ProductionDatabaseError)
        assert f"--database {name}" in refused.exception.message
    for host in ("http://127.0.0.1:1", ""):  # a server that runs, or one of the run's own beside this database
        with pytest.raises(ProductionDatabaseError), site_for(LoadSettings(), host, tmp_path):
            pass
    assert has_devices(url)
    assert run(app, ["db", "upgrade", "--database", name]).exit_code == 0
    mark(url, "none", monkeypatch)
    assert confirm_target(url, "").mark is None
    assert run(app, ["db", "downgrade", "base", "--yes"]).exit_code == 0
    assert not has_devices(url)


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one role")
def test_a_role_that_may_not_mark_gets_a_sentence(url: str) -> None:
    role = f"rts_test_{uuid4().hex[:12]}"
    with psycopg.connect(as_admin(url), autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'no owner'".encode())
        try:
            as_role = make_url(url).set(username=role, password="no owner").render_as_string(hide_password=False)
            with pytest.raises(MarkNotAllowedError, match="a superuser"):
                asyncio.run(set_mark(as_role, "production"))
        finally:
            admin.execute(f"DROP ROLE {role}".encode())


def test_the_environment_variable_marks_too(url: str) -> None:
    with pytest.raises(ProductionDatabaseError, match="marked production"):
        confirm_target(url, "", "production")
    assert confirm_target(url, name_of(url), "production").name == name_of(url)


def test_the_name_of_another_database_is_refused_without_a_mark(url: str) -> None:
    refused = run(app, ["db", "downgrade", "base", "--yes", "--database", "elsewhere"])
    assert isinstance(refused.exception, ProductionDatabaseError)
    assert has_devices(url)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        ("ALTER TABLE agent_metrics DROP CONSTRAINT agent_metrics_pkey", "the key agent_metrics_pkey is missing"),
        ("DROP INDEX agent_metrics_by_time", "the index agent_metrics_by_time is missing"),
        ("DROP MATERIALIZED VIEW agent_metrics_1d", "the rollup agent_metrics_1d is missing"),
    ],
)
def test_check_names_what_a_restore_left_out(url: str, damage: str, sentence: str) -> None:
    assert "is missing" not in run(app, ["db", "check"]).output
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(damage)
    checked = run(app, ["db", "check"])
    assert checked.exit_code == 1
    assert sentence in checked.output
