"""What must work for a gauge that is new in the catalogue; `test_new_gauge.py` runs it in a copy that has one."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psycopg
import pytest

from core.clock import utc_now
from db.migrations.run import downgrade, upgrade
from embedded.server import EmbeddedServer
from rollups.choose import bucket_start
from rollups.refresh import refresh_range
from tests.databases import REAL_SERVER, fresh_database
from tests.db.scheduler import stop_scheduler
from tests.devices import Device, sample
from tests.people import Tenant
from tests.rules import Rules, alerts_of
from tests.templates import copy_tree

GAUGE = "gpu_percent"
# A data directory at the revision before the gauge's; the test that makes this copy of the product puts it there.
BEFORE = Path(__file__).parents[2] / "before"
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
OLD_ROWS = """
INSERT INTO businesses (id, business_name) VALUES ('00000000-0000-4000-8000-000000000001', 'Alice');
INSERT INTO agent_devices (id, business_id, device_name)
VALUES ('00000000-0000-4000-8000-000000000002', '00000000-0000-4000-8000-000000000001', 'pc');
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, network_rx_bytes)
SELECT '00000000-0000-4000-8000-000000000002', at, at, 40, 1000 * row_number() OVER (ORDER BY at)
FROM generate_series(now() - interval '40 days', now() - interval '36 days', interval '10 minutes') AS at;
"""
OLD_ROLLUPS = """
SELECT (SELECT array_agg((bucket, sample_count, cpu_percent_sum, network_rx_bytes_increase)::text ORDER BY bucket)
        FROM {level}),
       (SELECT count(*) FROM timescaledb_information.jobs j WHERE j.job_id >= 1000),
       (SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'agent_metrics%\\_by_device')
"""
LEVELS = ("agent_metrics_5m", "agent_metrics_1h", "agent_metrics_1d")


def rollups_of(url: str) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        return [connection.execute(OLD_ROLLUPS.format(level=level).encode()).fetchone() for level in LEVELS]


@contextmanager
def database_before(directory: Path) -> Iterator[str]:
    """Yield the URL of a database at the revision before the gauge's."""
    if REAL_SERVER:
        with fresh_database(directory) as url:
            stop_scheduler(url)
            upgrade(url, "new_gauge-1")
            yield url
        return
    copy_tree(BEFORE, directory / "timescaledb")
    with EmbeddedServer(directory / "timescaledb", short_lived=True) as server:
        yield server.dsn


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a database that has the gauge, for the application."""
    with database_before(tmp_path_factory.mktemp("new")) as url:
        upgrade(url)
        yield url


@pytest.fixture(scope="module")
def old_database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with database_before(tmp_path_factory.mktemp("old")) as url:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(OLD_ROWS.encode())
            for level in LEVELS:
                connection.execute(f"CALL refresh_continuous_aggregate('{level}', NULL, NULL)".encode())
            # These samples are gone, so the rollups can't be computed again.
            connection.execute(b"SELECT drop_chunks('agent_metrics', now() - interval '30 days')")
        yield url


def test_rollups_of_samples_that_are_gone_survive_upgrade_and_downgrade(old_database: str) -> None:
    before = rollups_of(old_database)
    assert [len(rollups) for rollups, _, _ in before] == [577, 97, 5]
    upgrade(old_database)
    with psycopg.connect(old_database, autocommit=True) as connection:
        connection.execute(f"SELECT {GAUGE}_sum, {GAUGE}_count FROM agent_metrics_1d".encode())
    assert rollups_of(old_database) == before
    downgrade(old_database, "-1")
    assert rollups_of(old_database) == before


async def test_the_new_gauge_is_uploaded_rolled_up_and_charted(device: Device, database: str) -> None:
    start = bucket_start(utc_now(), HOUR) - 3 * HOUR
    await device.accepted(*(sample(start + step * 5 * MINUTE, gpu_percent=step % 50) for step in range(24)))
    connection = await asyncpg.connect(database)
    await refresh_range(connection, start, utc_now(), utc_now())
    await connection.close()
    for interval in ("raw", "5m", "1h"):
        answer = await device.history(start=start.isoformat(), interval=interval, metric=GAUGE)
        rows = [row for row in answer["metrics"] if row[GAUGE] is not None]
        assert sum(row[GAUGE] for row in rows) / len(rows) == pytest.approx(sum(range(24)) / 24)
    assert answer["segments"][0]["level"] == "1h"


async def test_faulty_values_are_noted(device: Device) -> None:
    answer = await device.send(sample(gpu_percent=200), sample(2 * MINUTE, gpu_percent="hot"))
    assert [note["field"] for note in answer.json()["notes"]] == [GAUGE, GAUGE]


async def test_a_rule_on_it_fires(device: Device, alice: Tenant, rules: Rules) -> None:
    condition = {"metric": GAUGE, "operator": ">", "threshold": 90, "duration_minutes": 10}
    rule = await rules.make(alice, condition, agent_device_id=str(device.agent_id))
    now = utc_now()
    await device.accepted(*(sample(now - step * MINUTE, gpu_percent=99) for step in range(15)))
    await rules.evaluate(now)
    assert [alert["rule_id"] for alert in await alerts_of(device)] == [rule["id"]]


async def test_the_new_gauge_is_in_the_api(client: httpx.AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert GAUGE in document["components"]["schemas"]["Sample"]["properties"]
