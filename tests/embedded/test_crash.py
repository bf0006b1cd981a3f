"""What survives when the server dies, and what the clients are told."""

import asyncio
import datetime as dt
import time
import uuid
from functools import partial
from pathlib import Path

import asyncpg
import psutil
import pytest

from embedded.server import EmbeddedServer
from tests.embedded.wire import RawClient, error_code, query, row_values
from tests.templates import EMPTY, copy_directory
from tests.waiting import until

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
BATCH_ROWS = 400
KILLS = 3

SCHEMA = """
    CREATE TABLE samples (client uuid, at timestamptz, batch int, value float8, PRIMARY KEY (client, at));
    SELECT create_hypertable('samples', 'at', chunk_time_interval => interval '1 hour');
    CREATE MATERIALIZED VIEW hourly WITH (timescaledb.continuous, timescaledb.materialized_only = true) AS
        SELECT client, time_bucket('1 hour', at) AS bucket, count(*) AS samples FROM samples GROUP BY 1, 2
        WITH NO DATA;
"""
LOST_OR_TORN = """
    SELECT client, batch FROM samples GROUP BY 1, 2 HAVING count(*) <> $1
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory that has been started and stopped once."""
    copy_directory(EMPTY, tmp_path / "data")
    return tmp_path / "data"


async def copy_until_the_server_dies(dsn: str, acknowledged: set[tuple[uuid.UUID, int]]) -> None:
    client = uuid.uuid4()
    connection = await asyncpg.connect(dsn)
    try:
        for batch in range(1_000_000):
            first = START + dt.timedelta(seconds=batch * BATCH_ROWS)
            records = [(client, first + dt.timedelta(seconds=n), batch, float(n)) for n in range(BATCH_ROWS)]
            await connection.copy_records_to_table("samples", records=records)
            acknowledged.add((client, batch))
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
        connection.terminate()


def has_at_least(acknowledged: set[tuple[uuid.UUID, int]], count: int) -> bool:
    return len(acknowledged) >= count


async def test_kill_9_under_load_loses_no_acknowledged_row_and_tears_no_batch(data: Path) -> None:
    server = EmbeddedServer(data)
    server.start()
    connection = await asyncpg.connect(server.dsn)
    for statement in SCHEMA.strip().removesuffix(";").split(";\n"):
        await connection.execute(statement)
    await connection.close()
    acknowledged: set[tuple[uuid.UUID, int]] = set()
    for kill in range(KILLS):
        enough = len(acknowledged) + 4 + 3 * kill
        clients = [asyncio.create_task(copy_until_the_server_dies(server.dsn, acknowledged)) for _ in range(3)]
        await until(partial(has_at_least, acknowledged, enough))
        server.kill()
        await asyncio.gather(*clients)
        server.start()
        connection = await asyncpg.connect(server.dsn)
        assert await connection.fetch(LOST_OR_TORN, BATCH_ROWS) == []
        stored = {(row[0], row[1]) for row in await connection.fetch("SELECT DISTINCT client, batch FROM samples")}
        assert acknowledged <= stored
        await connection.execute("CALL refresh_continuous_aggregate('hourly', NULL, NULL)")
        assert await connection.fetchval("SELECT sum(samples) FROM hourly") == len(stored) * BATCH_ROWS
        await connection.execute("INSERT INTO samples VALUES ($1, now(), -1, 0)", uuid.uuid4())
        await connection.execute("DELETE FROM samples WHERE batch = -1")
        await connection.close()
    print(f"\n{KILLS} kills, {len(acknowledged) * BATCH_ROWS} acknowledged rows")
    assert len(acknowledged) > KILLS * 3
    server.stop()


def test_when_postgresql_dies_clients_are_told_and_the_process_ends(data: Path) -> None:
    server = EmbeddedServer(data)
    server.start()
    process = psutil.Process(server.pid)
    with RawClient(server.dsn) as other, RawClient(server.dsn) as culprit:
        other.ask("CREATE TABLE kept (n int)")
        other.ask("INSERT INTO kept VALUES (1)")
        # Recursion without end: the WebAssembly stack has no guard page.
        culprit.send(query(f"SELECT 1{'+1' * 100_000}"))
        assert error_code(culprit.until_ready()) == "57P01"
        assert error_code(other.until_ready()) == "57P01"
    assert process.wait(10) == 1
    assert "died" in server.log_file.read_text()
    server.stop()
    server.start()
    with RawClient(server.dsn) as client:
        assert row_values(client.ask("SELECT n FROM kept")) == ["1"]
    server.stop()


def test_stopping_rolls_back_tells_the_clients_and_keeps_what_was_committed(data: Path) -> None:
    with EmbeddedServer(data) as server:
        process = psutil.Process(server.pid)
        with RawClient(server.dsn) as client, RawClient(server.dsn) as waiting:
            client.ask("CREATE TABLE stopped (n int)")
            client.ask("BEGIN")
            client.ask("INSERT INTO stopped VALUES (1)")
            waiting.send(query("INSERT INTO stopped VALUES (2)"))
            time.sleep(0.2)
            process.terminate()
            assert error_code(client.until_ready()) == "57P01"
            assert error_code(waiting.until_ready()) == "57P01"
        assert process.wait(10) == 0
        server.stop()
        server.start()
        with RawClient(server.dsn) as client:
            assert row_values(client.ask("SELECT count(*) FROM stopped")) == ["0"]


@pytest.mark.parametrize("times", [3])
def test_a_server_can_be_stopped_and_started_again(data: Path, times: int) -> None:
    server = EmbeddedServer(data)
    for n in range(times):
        server.start()
        with RawClient(server.dsn) as client:
            client.ask(f"CREATE TABLE start_{n} (n int)")
            assert row_values(client.ask("SELECT count(*) FROM pg_tables WHERE tablename LIKE 'start_%'")) == [
                str(n + 1)
            ]
        server.stop()
