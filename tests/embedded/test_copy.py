"""COPY FROM STDIN: what fails, fails as on a real server; what is large, stays out of memory."""

import asyncio
import contextlib
import datetime as dt
import io
import uuid
from collections.abc import AsyncIterator

import asyncpg
import psutil
import psycopg
import pytest

from embedded.server import EmbeddedServer
from tests.embedded.wire import RawClient, error_code, kinds, message, query, row_values

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
MIB = 1024 * 1024


async def make_hypertable(connection: "asyncpg.Connection[asyncpg.Record]", name: str) -> None:
    await connection.execute(f"CREATE TABLE {name} (agent uuid, at timestamptz, value float8, PRIMARY KEY (agent, at))")
    await connection.execute(f"SELECT create_hypertable('{name}', 'at', chunk_time_interval => interval '1 day')")


async def test_a_duplicate_key_keeps_its_detail_and_constraint(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await make_hypertable(connection, "duplicates")
    rows = [(uuid.UUID(int=1), START, 1.0)]
    await connection.copy_records_to_table("duplicates", records=rows)
    with pytest.raises(asyncpg.UniqueViolationError) as caught:
        await connection.copy_records_to_table("duplicates", records=[(uuid.UUID(int=2), START, 2.0), *rows])
    assert "already exists" in str(caught.value.detail)
    assert str(caught.value.constraint_name).endswith("duplicates_pkey")
    assert await connection.fetchval("SELECT count(*) FROM duplicates") == 1
    await connection.close()


async def test_bad_data_names_the_line_and_the_column(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE strict_rows (n int)")
    with pytest.raises(asyncpg.InvalidTextRepresentationError) as caught:
        await connection.copy_to_table("strict_rows", source=io.BytesIO(b"1\ntwo\n"))
    assert "line 2, column n" in str(caught.value.context)
    assert await connection.fetchval("SELECT count(*) FROM strict_rows") == 0
    await connection.close()


async def test_a_copy_is_undone_by_the_rollback_of_its_transaction(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await make_hypertable(connection, "undone")
    transaction = connection.transaction()
    await transaction.start()
    await connection.copy_records_to_table("undone", records=[(uuid.uuid4(), START, 1.0)])
    assert await connection.fetchval("SELECT count(*) FROM undone") == 1
    await transaction.rollback()
    assert await connection.fetchval("SELECT count(*) FROM undone") == 0
    await connection.close()


async def test_a_failed_copy_fails_its_transaction_and_a_savepoint_saves_it(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await make_hypertable(connection, "saved")
    row = (uuid.uuid4(), START, 1.0)
    async with connection.transaction():
        await connection.copy_records_to_table("saved", records=[row])
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.copy_records_to_table("saved", records=[row])
    assert await connection.fetchval("SELECT count(*) FROM saved") == 1
    await connection.execute("BEGIN")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.copy_records_to_table("saved", records=[row])
    with pytest.raises(asyncpg.InFailedSQLTransactionError):
        await connection.execute("SELECT 1")
    await connection.execute("ROLLBACK")
    assert await connection.fetchval("SELECT count(*) FROM saved") == 1
    await connection.close()


def test_a_copy_in_a_failed_transaction_is_refused(dsn: str) -> None:
    with RawClient(dsn) as client:
        client.ask("CREATE TABLE refused_copy (n int)")
        client.ask("BEGIN")
        client.ask("SELECT 1/0")
        answer = client.ask("COPY refused_copy FROM STDIN")
        assert error_code(answer) == "25P02"
        assert answer[-1] == ("Z", b"E")


@pytest.mark.parametrize(("copy", "code"), [
    ("COPY no_such_table FROM STDIN", "42P01"),
    ("COPY columns_known (n, nothing) FROM STDIN", "42703"),
    ("COPY columns_known FROM STDIN WITH (FORMAT nonsense)", "22023"),
    ("COPY columns_known FROM STDIN; SELECT 1", "0A000"),
])  # fmt: skip
def test_a_copy_that_cannot_work_is_an_error_and_the_session_goes_on(dsn: str, copy: str, code: str) -> None:
    with RawClient(dsn) as client:
        client.ask("CREATE TABLE IF NOT EXISTS columns_known (n int)")
        client.send(query(copy))
        first = client.receive()
        if first[0] == "G":  # options are looked at when the data is there
            client.send(message("c"))
        assert error_code([first, *client.until_ready()]) == code
        assert row_values(client.ask("SELECT 1")) == ["1"]


@pytest.mark.parametrize("inside", [False, True])
def test_a_copy_that_the_client_gives_up_fails_and_adds_nothing(dsn: str, inside: bool) -> None:
    with psycopg.connect(dsn, autocommit=not inside) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS given_up (n int)")
        connection.commit()
        with contextlib.suppress(ZeroDivisionError), connection.cursor().copy("COPY given_up FROM STDIN") as copy:
            copy.write("1\n")
            raise ZeroDivisionError
        expected = psycopg.pq.TransactionStatus.INERROR if inside else psycopg.pq.TransactionStatus.IDLE
        assert connection.info.transaction_status == expected
        connection.rollback()
        answer = connection.execute("SELECT count(*) FROM given_up").fetchone()
        assert answer == (0,)


def test_a_copy_that_the_client_gives_up_says_why(dsn: str) -> None:
    with RawClient(dsn) as client:
        client.ask("CREATE TABLE IF NOT EXISTS given_up (n int)")
        client.send(query("COPY given_up FROM STDIN"))
        assert client.receive()[0] == "G"
        client.send(message("d", b"1\n") + message("f", b"no more\0"))
        answer = client.until_ready()
        assert error_code(answer) == "57014"
        assert b"COPY from stdin failed: no more" in answer[0][1]


def test_copy_by_the_extended_protocol(dsn: str) -> None:
    with RawClient(dsn) as client:
        client.ask("CREATE TABLE extended_copy (n int)")
        parse = message("P", b"\0COPY extended_copy FROM STDIN\0\0\0")
        bind_execute_sync = message("B", bytes(8)) + message("E", bytes(5)) + message("S")
        client.send(parse + bind_execute_sync)
        assert kinds([client.receive(), client.receive(), client.receive()]) == "12G"
        client.send(message("d", b"1\n2\n") + message("c") + message("S"))
        assert kinds(client.until_ready()) == "CZ"
        assert row_values(client.ask("SELECT sum(n) FROM extended_copy")) == ["3"]


def test_words_that_look_like_copy_are_left_alone(dsn: str) -> None:
    with RawClient(dsn) as client:
        client.ask('CREATE TABLE "odd; FROM STDIN" (n int, "from" text)')
        client.send(query('/* ; COPY x FROM STDIN */ COPY "odd; FROM STDIN" ("from", n) FROM stdin -- STDIN'))
        assert client.receive()[0] == "G"
        client.send(message("d", b"STDIN\t1\n") + message("c"))
        assert kinds(client.until_ready()) == "CZ"
        answer = client.ask("SELECT $$; COPY x FROM STDIN$$ || 'it''s; COPY' || \"from\" FROM \"odd; FROM STDIN\"")
        assert row_values(answer) == ["; COPY x FROM STDINit's; COPYSTDIN"]


async def test_half_a_million_wide_rows_stay_within_bounded_memory(server: EmbeddedServer) -> None:
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("CREATE TABLE large_copy (n int, padding text)")
    # V8 lets unused buffers pile up before it frees the first: what it holds then is there before the measured copy.
    await connection.copy_to_table("large_copy", source=chunks(0, 25))
    process = psutil.Process(server.pid)
    before = process.memory_info().rss
    peak = [before]

    async def watch() -> None:
        while True:
            peak.append(process.memory_info().rss)
            await asyncio.sleep(0.02)

    watching = asyncio.create_task(watch())
    await connection.copy_to_table("large_copy", source=chunks(25, 75))
    watching.cancel()
    assert await connection.fetchval("SELECT count(*) FROM large_copy") == 750_000
    sent = 500_000 * 300
    grown = max(peak) - before
    print(f"\n{sent / MIB:.0f} MiB sent, RSS {before / MIB:.0f} MiB + {grown / MIB:.0f} MiB at most")
    assert grown < sent / 2
    await connection.execute("DROP TABLE large_copy")
    await connection.close()


async def test_the_log_of_changes_does_not_grow_for_ever(server: EmbeddedServer) -> None:
    connection = await asyncpg.connect(server.dsn)
    await connection.execute("CREATE TABLE much_log (n int, padding text)")
    await connection.copy_to_table("much_log", source=chunks(0, 40))  # 120 MB
    await connection.execute("DROP TABLE much_log")
    since_checkpoint = "SELECT pg_current_wal_lsn() - redo_lsn FROM pg_control_checkpoint()"
    async with asyncio.timeout(15):
        while await connection.fetchval(since_checkpoint) > 64 * MIB:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    await connection.close()


async def chunks(first: int, last: int) -> AsyncIterator[bytes]:
    """10,000 rows of 300 bytes for each number."""
    for number in range(first, last):
        yield b"".join(b"%08d\t%s\n" % (number * 10_000 + n, b"x" * 290) for n in range(10_000))


async def test_a_large_copy_goes_through_the_spool_and_leaves_no_file(server: EmbeddedServer) -> None:
    connection = await asyncpg.connect(server.dsn)
    await make_hypertable(connection, "spooled")
    agent = uuid.uuid4()
    records = [(agent, START + dt.timedelta(seconds=n), float(n)) for n in range(150_000)]  # 7 MB
    await connection.copy_records_to_table("spooled", records=records)
    row = await connection.fetchrow("SELECT count(*), sum(value), count(DISTINCT at) FROM spooled")
    assert row is not None
    assert tuple(row) == (150_000, sum(record[2] for record in records), 150_000)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.copy_records_to_table("spooled", records=records)
    assert list((server.data_dir / "spool").iterdir()) == []
    await connection.close()
