"""The rollup of five minutes stores a value once; what reads it gets what it got before, on the way back too."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import psycopg
import pytest

from db.migrations import rebuild
from db.migrations.run import downgrade, upgrade
from db.missing_parts import find_missing
from tests.databases import fresh_database
from tests.db.scheduler import stop_scheduler

BEFORE, AFTER = "0031", "0032"
LEVELS = ("agent_metrics_5m", "agent_metrics_1h", "agent_metrics_1d")
# Devices with a sample each 5 minutes and each 40 seconds, the second with gaps in single metrics; counters that stand
# still, begin anew and break (below 0). From before and after the time from which refreshes compute.
ROWS = """
INSERT INTO businesses (id, business_name) VALUES ('00000000-0000-4000-8000-000000000001', 'Alice');
INSERT INTO agent_devices (id, business_id, device_name)
SELECT ('00000000-0000-4000-8000-00000000001' || n)::uuid, '00000000-0000-4000-8000-000000000001', 'pc' || n
FROM generate_series(1, 2) n;
INSERT INTO agent_metrics (agent_device_id, collected_at, received_at, cpu_percent, memory_percent, load_average_1m,
                           uptime_seconds, network_rx_bytes, network_tx_bytes)
SELECT id, at, at, n % 7 * 10, CASE WHEN n % 5 > 0 OR id = '00000000-0000-4000-8000-000000000011' THEN n % 3 END,
       CASE WHEN n % 97 > 0 THEN 0.25 * (n % 11) END, n * 300,
       CASE WHEN n % 17 = 0 THEN -1000 - n WHEN n % 4 > 0 THEN 1000 + n % 23 * (n / 29 % 2) END, 5
FROM agent_devices
CROSS JOIN LATERAL (
    SELECT at, row_number() OVER (ORDER BY at) AS n
    FROM (VALUES (40, 38), (3, 1)) AS days (first, last)
    CROSS JOIN LATERAL generate_series(
        date_trunc('hour', now()) - first * interval '1 day', date_trunc('hour', now()) - last * interval '1 day',
        CASE WHEN device_name = 'pc1' THEN interval '5 minutes' ELSE interval '40 seconds' END) AS at
) AS s;
"""
BEHIND = """
SELECT format('%I.%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates WHERE view_name = 'agent_metrics_5m'
"""
REPEATED = "cpu_percent_min IS NULL AND cpu_percent_count IS NULL AND network_rx_bytes_last_at IS NULL"


def ask(url: str, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url, autocommit=True) as connection:
        return connection.execute(query.encode()).fetchall()


def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return {level: ask(url, f"SELECT * FROM {level} ORDER BY agent_device_id, bucket") for level in LEVELS}


def behind(url: str) -> str:
    return str(ask(url, BEHIND)[0][0])


def refresh_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for level in LEVELS:
            connection.execute(f"CALL refresh_continuous_aggregate('{level}', NULL, NULL)".encode())


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A database before the revision: raw samples of the older days are gone, their buckets are in the columnstore."""
    with fresh_database(tmp_path_factory.mktemp("once")) as url:
        stop_scheduler(url)
        upgrade(url, BEFORE)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(ROWS.encode())
        refresh_all(url)
        ask(url, "SELECT drop_chunks('agent_metrics', now() - interval '30 days')")
        ask(url, "SELECT compress_chunk(c, true) FROM show_chunks('agent_metrics_5m', now() - interval '30 days') c")
        yield url


@pytest.fixture
def at_before(filled: str) -> str:
    downgrade(filled, BEFORE)
    return filled


def test_every_level_reads_the_same_after_the_upgrade_and_after_the_downgrade(at_before: str) -> None:
    before = everything(at_before)
    assert len(before["agent_metrics_5m"]) > 2000
    upgrade(at_before, AFTER)
    assert everything(at_before) == before
    of_one_sample = f"{behind(at_before)} WHERE sample_count = 1 AND network_rx_bytes_first IS NOT NULL"
    buckets, repeat_nothing = ask(
        at_before, f"SELECT count(*), count(*) FILTER (WHERE {REPEATED}) FROM {of_one_sample}"
    )[0]
    assert 0 < buckets == repeat_nothing
    downgrade(at_before, BEFORE)
    assert everything(at_before) == before
    assert ask(at_before, f"SELECT count(*) FROM {behind(at_before)} WHERE cpu_percent_min IS NULL") == [(0,)]


def test_chunks_of_the_columnstore_are_compressed_again_after_the_upgrade(at_before: str) -> None:
    upgrade(at_before, AFTER)
    old = (
        "SELECT bool_and(is_compressed), count(*) FROM timescaledb_information.chunks "
        f"WHERE format('%I.%I', hypertable_schema, hypertable_name) = '{behind(at_before)}' "
        "AND range_end < now() - interval '30 days'"
    )
    is_compressed, chunks = ask(at_before, old)[0]
    assert is_compressed
    assert chunks


def test_an_upgrade_that_was_interrupted_goes_on_with_what_it_has(
    at_before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(at_before)

    def lose_the_connection() -> None:
        raise ConnectionError("lost")

    monkeypatch.setattr(rebuild, "swap_levels", lose_the_connection)
    with pytest.raises(ConnectionError):
        upgrade(at_before, AFTER)
    assert everything(at_before) == before
    query = "SELECT 'agent_metrics_1d_new'::regclass::oid"
    first = ask(at_before, query)
    with pytest.raises(ConnectionError):
        upgrade(at_before, AFTER)
    assert ask(at_before, query) == first  # not made anew
    monkeypatch.undo()
    upgrade(at_before, AFTER)
    assert everything(at_before) == before
    assert ask(at_before, "SELECT count(*) FROM pg_class WHERE relname LIKE 'agent_metrics%\\_new%'") == [(0,)]


def test_grants_jobs_and_indexes_are_those_of_before(at_before: str) -> None:
    jobs = (
        "SELECT relation, kind, procedure, scheduled, every, config - 'mat_hypertable_id' - 'hypertable_id' "
        "FROM agent_storage_jobs() ORDER BY 1, 2"
    )
    indexes = "SELECT count(*) FROM pg_indexes WHERE indexname LIKE 'agent_metrics%\\_by_device'"
    grants = "SELECT relacl::text FROM pg_class WHERE relname = 'agent_metrics_5m'"
    with psycopg.connect(at_before, autocommit=True) as connection:
        connection.execute("GRANT SELECT ON agent_metrics_5m TO PUBLIC")
    before = [ask(at_before, query) for query in (jobs, indexes, grants)]
    assert "=r/" in before[2][0][0]
    upgrade(at_before, AFTER)
    assert [ask(at_before, query) for query in (jobs, indexes, grants)] == before


async def test_a_view_that_no_longer_fills_in_is_a_fault_of_the_check(database: str) -> None:
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    try:
        table = await connection.fetchval(BEHIND)
        await connection.execute(f"CREATE OR REPLACE VIEW agent_metrics_5m AS SELECT * FROM {table}")
        faults = await find_missing(connection)
    finally:
        await transaction.rollback()
        await connection.close()
    assert [fault for fault in faults if "the complete view of agent_metrics_5m is missing" in fault]
