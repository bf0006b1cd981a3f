"""Released revisions make the same schema for ever, and a database that they made can be upgraded with its rows.

`released_schema.sql` is `db/schema.sql` as it was at revision RELEASED. With a new release both move on together.
"""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest

from db.migrations.run import downgrade, upgrade
from db.schema_text import FILE, schema_text
from db.sql import load_queries
from tests.databases import fresh_database
from tests.db.scheduler import stop_scheduler

RELEASED = "0018"
HERE = Path(__file__).parent
ROWS = load_queries(HERE / "released_rows.sql")

POLICIES = """
SELECT proc_name::text, schedule_interval::text, config ->> 'start_offset', config ->> 'end_offset',
       config ->> 'compress_after', config ->> 'drop_after'
FROM timescaledb_information.jobs WHERE job_id >= 1000
"""
# Each policy exists twice: for the columns of agent_metrics and for series.
RELEASED_POLICIES = [
    ("policy_refresh_continuous_aggregate", "00:05:00", "28 days", "00:10:00", None, None),
    ("policy_refresh_continuous_aggregate", "00:30:00", "29 days", "01:00:00", None, None),
    ("policy_refresh_continuous_aggregate", "06:00:00", "31 days", "1 day", None, None),
]
RELEASED_AGES = {
    "policy_compression": ["14 days", "2 days", "60 days", "730 days"],
    "policy_retention": ["30 days", "3650 days", "730 days", "90 days"],
}
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


async def schema_of(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return await schema_text(connection)
    finally:
        await connection.close()


def differences(written: Path, found: str) -> list[str]:
    return list(difflib.unified_diff(written.read_text().splitlines(), found.splitlines(), lineterm="", n=1))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with fresh_database(tmp_path_factory.mktemp("released")) as url:
        stop_scheduler(url)
        yield url


@pytest.fixture
def at_release(released: str) -> str:
    downgrade(released)
    upgrade(released, RELEASED)
    return released


async def test_released_revisions_make_the_schema_of_their_release(at_release: str) -> None:
    assert not differences(HERE / "released_schema.sql", await schema_of(at_release))


def test_released_revisions_set_the_policies_of_their_release(at_release: str) -> None:
    found = ask(at_release, POLICIES)
    refreshes = sorted({row for row in found if row[0] == "policy_refresh_continuous_aggregate"}, key=repr)
    assert refreshes == RELEASED_POLICIES
    for procedure, ages in RELEASED_AGES.items():
        assert sorted({row[4] or row[5] for row in found if row[0] == procedure}) == ages
    assert len(found) == 22


async def test_a_database_of_the_last_release_is_upgraded_with_its_rows(at_release: str) -> None:
    with psycopg.connect(at_release, autocommit=True) as connection:
        for statement in ROWS.values():
            connection.execute(statement.encode())
        for level in ("agent_metrics_5m", "agent_metrics_1h"):
            connection.execute(f"CALL refresh_continuous_aggregate('{level}', NULL, NULL)".encode())
    before = {name: ask(at_release, query) for name, query in KEPT.items()}
    assert before["samples"][0][0] == 865
    assert before["hours"][0][0] == 73
    upgrade(at_release)
    assert {name: ask(at_release, query) for name, query in KEPT.items()} == before
    assert not differences(FILE, await schema_of(at_release))
