"""`rts-agents erase`: a dry run, a request that wants the database's name, a run, and the certificate."""

import json
from collections.abc import Iterator
from uuid import uuid4

import psycopg
import pytest
from typer.testing import CliRunner

from cli.main import app
from core.settings import get_settings
from db.environment import ProductionDatabaseError
from tests.databases import migrated_database

DEVICE, BUSINESS = uuid4(), uuid4()
invoke = CliRunner().invoke


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database with one device that has three samples."""
    with migrated_database(tmp_path_factory.mktemp("erased")) as database_url:
        with psycopg.connect(database_url) as connection:
            connection.execute("INSERT INTO businesses (id, business_name) VALUES (%s, 'Erased')", (BUSINESS,))
            connection.execute(
                "INSERT INTO agent_devices (id, business_id, device_name) VALUES (%s, %s, 'server-1')",
                (DEVICE, BUSINESS),
            )
            connection.execute(
                "INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent)"
                " SELECT %s, now() - n * interval '1 day', now(), n FROM generate_series(1, 3) n",
                (DEVICE,),
            )
        yield database_url


@pytest.fixture(autouse=True)
def settings(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def samples(url: str) -> int:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM agent_metrics").fetchone()
    return row[0] if row else 0


def test_from_the_dry_run_to_the_certificate(url: str) -> None:
    with psycopg.connect(url) as connection:
        database = connection.info.dbname if "rts_test" in url else "postgres"
    dry = invoke(app, ["erase", "device", str(DEVICE), "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "agent_metrics" in dry.output
    assert samples(url) == 3

    assert invoke(app, ["erase", "device", str(DEVICE)]).exit_code == 2  # without a reason and a name
    wrong = invoke(app, ["erase", "device", str(DEVICE), "--reason", "asked", "--database", "other"])
    assert isinstance(wrong.exception, ProductionDatabaseError)
    asked = invoke(app, ["erase", "device", str(DEVICE), "--reason", "asked", "--database", database])
    assert "Erasure 1 waits" in asked.output, asked.output
    assert samples(url) == 3

    assert "Erased: 1." in invoke(app, ["erase", "run"]).output
    assert samples(url) == 0
    assert "erased" in invoke(app, ["erase", "list"]).output
    certificate = json.loads(invoke(app, ["erase", "show", "1"]).output)
    assert certificate["deleted"]["agent_metrics"] == 3
    assert certificate["subject_id"] == str(DEVICE)
    assert certificate["reason"] == "asked"
    assert invoke(app, ["erase", "cancel", "1"]).exit_code == 1
