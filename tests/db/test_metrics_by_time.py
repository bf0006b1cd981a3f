"""A refresh finds its minutes, a chart its device, and a database with a past comes from 0006 without losing any."""

from collections.abc import Iterator

import psycopg
import pytest

from db.migrations.run import downgrade, upgrade
from tests.databases import migrated_database

DEVICE = "00000000-0000-4000-8000-000000000001"
DEVICES = 2000
# A sample each minute of forty minutes; a counter grows by 10 a minute and is reset in the midst of five minutes.
FILL = f"""
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, network_rx_bytes, network_tx_bytes)
SELECT format('00000000-0000-4000-8000-%s', lpad(device::text, 12, '0'))::uuid, at, at, device % 100, grown, NULL
FROM generate_series('2026-05-03T00:00Z'::timestamptz, '2026-05-03T00:39Z', '1 minute') WITH ORDINALITY AS t (at, n)
CROSS JOIN generate_series(1, {DEVICES}) AS device
CROSS JOIN LATERAL (SELECT CASE WHEN n > 22 THEN (n - 22) * 10 ELSE n * 10 END AS grown) c
"""
SUMMARISE = """
SELECT brin_summarize_new_values(indexrelid) FROM pg_stat_all_indexes
WHERE indexrelname LIKE '%agent_metrics_by_time' AND schemaname = '_timescaledb_internal'
"""
FIVE_MINUTES = "collected_at >= '2026-05-03T00:30Z' AND collected_at < '2026-05-03T00:35Z'"
REFRESH = "CALL refresh_continuous_aggregate('agent_metrics_5m', '2026-05-03', '2026-05-04', force => true)"
ROLLED_UP = """
SELECT agent_device_id, bucket, sample_count, network_rx_bytes_increase, network_tx_bytes_increase
FROM agent_metrics_5m ORDER BY bucket, agent_device_id
"""


def plan_of(connection: psycopg.Connection, condition: str) -> str:
    """How samples are found, where reading all of them is out of the question as in a real chunk."""
    with connection.transaction():
        connection.execute("SET LOCAL enable_seqscan = off")
        rows = connection.execute(f"EXPLAIN SELECT * FROM agent_metrics WHERE {condition}".encode()).fetchall()
    return "\n".join(row[0] for row in rows)


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with migrated_database(tmp_path_factory.mktemp("by_time")) as database_url:
        yield database_url


@pytest.fixture(scope="module")
def filled(url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(FILL.encode())
        connection.execute(SUMMARISE.encode())
        connection.execute("ANALYZE agent_metrics")
        yield connection


def test_some_minutes_of_all_devices_are_found_by_time(filled: psycopg.Connection) -> None:
    assert "agent_metrics_by_time" in plan_of(filled, FIVE_MINUTES)


def test_a_devices_samples_are_found_by_its_key(filled: psycopg.Connection) -> None:
    plan = plan_of(filled, f"agent_device_id = '{DEVICE}' AND {FIVE_MINUTES}")
    assert "agent_metrics_pkey" in plan
    assert "by_time" not in plan


def test_a_database_of_the_version_before_keeps_its_past_and_its_resets(url: str, filled: psycopg.Connection) -> None:
    downgrade(url, "0006")
    filled.execute(REFRESH.encode())
    filled.execute("SELECT compress_chunk(c) FROM show_chunks('agent_metrics') c")
    before = filled.execute(ROLLED_UP.encode()).fetchall()
    upgrade(url)
    assert filled.execute(ROLLED_UP.encode()).fetchall() == before
    filled.execute(REFRESH.encode())  # everything anew, by the aggregate as it is now
    assert filled.execute(ROLLED_UP.encode()).fetchall() == before
    assert len(before) == DEVICES * 8
    assert {tuple(row[2:]) for row in before} == {(5, 40.0, None)}
