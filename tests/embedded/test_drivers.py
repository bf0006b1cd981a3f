"""The drivers and tools that the project uses, each with what it does on a real server."""

import asyncio
import contextlib
import datetime as dt
import io
import os
import shutil
import struct
import subprocess
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import psycopg
import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy.ext.asyncio import create_async_engine

from embedded.server import EmbeddedServer

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


async def test_asyncpg_pool_of_eight_with_transactions_and_rollback(dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=8, max_size=8) as pool:
        await pool.execute("CREATE TABLE pool_rows (worker int, n int)")

        async def work(worker: int) -> None:
            for n in range(20):
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("INSERT INTO pool_rows VALUES ($1, $2)", worker, n)
            with contextlib.suppress(ZeroDivisionError):
                async with pool.acquire() as connection, connection.transaction():
                    await connection.execute("INSERT INTO pool_rows VALUES ($1, -1)", worker)
                    raise ZeroDivisionError

        await asyncio.gather(*(work(worker) for worker in range(16)))
        assert await pool.fetchval("SELECT count(*) FROM pool_rows WHERE n >= 0") == 16 * 20
        assert await pool.fetchval("SELECT count(*) FROM pool_rows WHERE n < 0") == 0


async def test_asyncpg_cursor_reads_in_portions(dsn: str) -> None:
    async with asyncpg.create_pool(dsn, min_size=2, max_size=2) as pool, pool.acquire() as connection:
        async with connection.transaction():
            values = [row[0] async for row in connection.cursor("SELECT generate_series(1, 500)", prefetch=50)]
        assert values == list(range(1, 501))


async def test_asyncpg_types_survive_the_round_trip(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    row = await connection.fetchrow(
        "SELECT $1::uuid, $2::timestamptz, $3::float8[], $4::jsonb, $5::numeric, $6::text, $7::int4range",
        uuid.UUID(int=7), START, [0.0, None, 1.5], '{"a": null}', 1, None, asyncpg.Range(1, 5),
    )  # fmt: skip
    assert row is not None
    assert tuple(row) == (
        uuid.UUID(int=7),
        START,
        [0.0, None, 1.5],
        '{"a": null}',
        1,
        None,
        asyncpg.Range(1, 5),
    )
    await connection.close()


async def test_asyncpg_binary_copy_from_records_and_from_bytes(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE copied (id uuid, at timestamptz, value float8)")
    records = [(uuid.uuid4(), START + dt.timedelta(seconds=n), n / 2) for n in range(1000)]
    assert await connection.copy_records_to_table("copied", records=records) == "COPY 1000"
    row = struct.pack("!h i16s i8s id", 3, 16, uuid.UUID(int=1).bytes, 8, struct.pack("!q", 0), 8, 2.5)
    data = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0) + row + struct.pack("!h", -1)
    answer = await connection.copy_to_table("copied", source=io.BytesIO(data), format="binary")
    assert answer == "COPY 1"
    assert await connection.fetchval("SELECT sum(value) FROM copied") == sum(r[2] for r in records) + 2.5
    await connection.close()


async def test_asyncpg_copy_out_gives_what_was_put_in(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    out = io.BytesIO()
    await connection.copy_from_query("SELECT n, 'text ' || n FROM generate_series(1, 3) n", output=out, format="csv")
    assert out.getvalue() == b"1,text 1\n2,text 2\n3,text 3\n"
    await connection.close()


def test_psycopg_text_csv_and_binary_copy_and_rollback(dsn: str) -> None:
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE typed (id int, name text, value float8)")
        with cursor.copy("COPY typed FROM STDIN") as copy:
            copy.write_row((1, "tab\tand\nline", None))
        with cursor.copy("COPY typed (name, id) FROM STDIN WITH (FORMAT csv, HEADER)") as copy:
            copy.write('name,id\n"with, comma",2\n')
        with cursor.copy("COPY typed FROM STDIN (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "float8"])
            copy.write_row((3, "binary", 0.0))
        connection.commit()
        with cursor.copy("COPY typed FROM STDIN") as copy:
            copy.write_row((4, "rolled back", 1.0))
        connection.rollback()
        rows = cursor.execute("SELECT * FROM typed ORDER BY id").fetchall()
        assert rows == [(1, "tab\tand\nline", None), (2, "with, comma", None), (3, "binary", 0.0)]
        with cursor.copy("COPY typed TO STDOUT (FORMAT binary)") as copy:
            copy.set_types(["int4", "text", "float8"])
            assert list(copy.rows()) == rows


def test_psycopg_pipeline_and_server_side_cursor(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        with connection.pipeline():
            cursors = [connection.execute("SELECT %s::int * 2", (n,)) for n in range(50)]
            assert [cursor.fetchone() for cursor in cursors] == [(n * 2,) for n in range(50)]
        with connection.cursor("named") as named:
            named.itersize = 7
            named.execute("SELECT generate_series(1, 100)")
            assert len(list(named)) == 100


def test_psycopg_prepares_repeated_statements_and_forgets_them(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as one, psycopg.connect(dsn, autocommit=True) as other:
        for connection in (one, other):
            connection.prepare_threshold = 0
            assert connection.execute("SELECT 1 + %s", (1,)).fetchone() == (2,)
        one.execute("DEALLOCATE ALL")
        assert other.execute("SELECT 1 + %s", (1,)).fetchone() == (2,)


def test_sqlalchemy_reflects_what_alembic_made(dsn: str) -> None:
    engine = sqlalchemy.create_engine(dsn.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        operations.create_table(
            "made",
            sqlalchemy.Column("id", sqlalchemy.Uuid, primary_key=True),
            sqlalchemy.Column("at", sqlalchemy.DateTime(timezone=True), nullable=False, index=True),
            sqlalchemy.Column("value", sqlalchemy.Double, comment="percent"),
        )
        operations.create_unique_constraint("made_at_value", "made", ["at", "value"])
    inspector = sqlalchemy.inspect(engine)
    assert [column["name"] for column in inspector.get_columns("made")] == ["id", "at", "value"]
    assert inspector.get_pk_constraint("made")["constrained_columns"] == ["id"]
    assert [constraint["name"] for constraint in inspector.get_unique_constraints("made")] == ["made_at_value"]
    assert "ix_made_at" in {index["name"] for index in inspector.get_indexes("made")}
    engine.dispose()


async def test_sqlalchemy_with_asyncpg(dsn: str) -> None:
    url = dsn.replace("postgresql://", "postgresql+asyncpg://").replace("?sslmode=disable", "")
    engine = create_async_engine(url, pool_size=3)

    async def one(n: int) -> int:
        async with engine.begin() as connection:
            return int((await connection.execute(sqlalchemy.text("SELECT :n * 2"), {"n": n})).scalar_one())

    assert await asyncio.gather(*(one(n) for n in range(12))) == [n * 2 for n in range(12)]
    await engine.dispose()


@pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed")
def test_psql_describes_tables_and_copies_files(dsn: str, server: EmbeddedServer, tmp_path: Path) -> None:
    def psql(*commands: str) -> str:
        arguments = [part for command in commands for part in ("-c", command)]
        url = urlsplit(dsn)
        environment = os.environ | {"PGPASSWORD": url.password or ""}
        host = ["-h", "127.0.0.1", "-p", str(url.port), "-U", "somebody", "any_database"]
        answer = subprocess.run(
            ["psql", "-X", "-v", "ON_ERROR_STOP=1", *arguments, *host],
            capture_output=True, text=True, env=environment, check=True, timeout=60,
        )  # fmt: skip
        return answer.stdout

    (tmp_path / "in.csv").write_text("1,one\n2,two\n")
    psql("CREATE TABLE described (id int PRIMARY KEY, name text DEFAULT 'x')")
    psql(f"\\copy described FROM '{tmp_path}/in.csv' CSV", f"\\copy described TO '{tmp_path}/out.csv' CSV")
    assert (tmp_path / "out.csv").read_text() == "1,one\n2,two\n"
    assert "described_pkey" in psql("\\d described")
    assert "described" in psql("\\dt")
    assert "timescaledb" in psql("\\dx")
    assert psql("COPY described TO STDOUT") == "1\tone\n2\ttwo\n"


async def test_the_server_says_what_it_is(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    assert connection.get_server_version()[0] == 17
    assert connection.get_settings().server_version == "17.5"
    assert connection.get_settings().TimeZone == "UTC"
    assert connection.get_server_pid() > 0
    assert await connection.fetchval("SELECT current_database()") == "postgres"
    assert await connection.fetchval("SHOW enable_seqscan") == "on"
    await connection.close()
