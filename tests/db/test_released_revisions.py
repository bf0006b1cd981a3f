"""Released revisions make the same schema for ever, and a database that they made can be upgraded with its rows.

`released/` has a snapshot for each release, named by its newest revision; `make release` adds one.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from db.migrations.run import downgrade, upgrade
from db.release_snapshot import RELEASED, snapshot
from db.schema_text import FILE
from db.sql import load_queries
from db.write_schema import read
from tests.databases import fresh_database
from tests.db.scheduler import stop_scheduler

ROWS = load_queries(RELEASED / "rows.sql")
RELEASES = sorted(file.stem for file in RELEASED.glob("0*.sql"))
KEPT = {
    "devices": "SELECT id::text, device_name FROM agent_devices",
    "samples": "SELECT count(*), sum(cpu_percent), max(network_rx_bytes) FROM agent_metrics",
    "hours": "SELECT count(*), sum(cpu_percent_sum), sum(network_rx_bytes_increase) FROM agent_metrics_1h",
    "rules": "SELECT alert_name, conditions FROM agent_alerts",
    "commands": "SELECT command_type, status FROM agent_commands",
    "events": "SELECT event_type FROM agent_events",
}


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def differences(written: Path, schema: str) -> list[str]:
    return list(difflib.unified_diff(written.read_text().splitlines(), schema.splitlines(), lineterm="", n=1))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(tmp_path_factory.mktemp("released")) as url:
        stop_scheduler(url)
        yield url


@pytest.fixture(params=RELEASES)
def release(request: pytest.FixtureRequest, released: str) -> str:
    revision: str = request.param
    downgrade(released)
    upgrade(released, revision)
    return revision


async def test_revisions_of_a_release_make_its_schema_and_policies(released: str, release: str) -> None:
    assert not differences(RELEASED / f"{release}.sql", await read(released, snapshot))


@pytest.mark.usefixtures("release")
async def test_a_database_of_a_release_is_upgraded_with_its_rows(released: str) -> None:
    with psycopg.connect(released, autocommit=True) as connection:
        for statement in ROWS.values():
            connection.execute(statement.encode())
        for level in ("agent_metrics_5m", "agent_metrics_1h"):
            connection.execute(f"CALL refresh_continuous_aggregate('{level}', NULL, NULL)".encode())
    before = {name: ask(released, query) for name, query in KEPT.items()}
    assert before["samples"][0][0] == 865
    assert before["hours"][0][0] == 73
    upgrade(released)
    assert {name: ask(released, query) for name, query in KEPT.items()} == before
    assert not differences(FILE, await read(released))
