"""The wire protocol itself: broken input, odd TCP boundaries, large messages, errors passed through."""

import socket
import struct
import time

import asyncpg
import pytest

from embedded.server import EmbeddedServer
from tests.embedded.wire import RawClient, error_code, kinds, message, query, row_values, startup

MIB = 1024 * 1024


def test_messages_may_arrive_one_byte_at_a_time(dsn: str) -> None:
    with RawClient(dsn, login=False) as client:
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        extended = (
            message("P", b"\0SELECT 'three'\0\0\0") + message("B", bytes(8)) + message("E", bytes(5)) + message("S")
        )
        stream = startup() + message("p", client.password.encode() + b"\0") + query("SELECT 1; SELECT 2") + extended
        for n in range(len(stream)):
            client.send(stream[n : n + 1])
        assert client.receive()[0] == "R"
        client.until_ready()
        assert row_values(client.until_ready()) == ["1", "2"]
        assert row_values(client.until_ready()) == ["three"]


@pytest.mark.parametrize("piece", [3, 7, 8192, 65536])
def test_pipelined_messages_may_be_cut_anywhere(dsn: str, piece: int) -> None:
    count = 40
    with RawClient(dsn) as client:
        # Sizes around PGlite's receive buffer of 8192 bytes.
        texts = [str(n) * (8192 // len(str(n)) if n % 3 == 0 else 5) for n in range(count)]
        stream = b"".join(query(f"SELECT '{text}'") for text in texts)
        for at in range(0, len(stream), piece):
            client.send(stream[at : at + piece])
        assert [row_values(client.until_ready())[0] for _ in range(count)] == texts


def test_ssl_and_gss_are_declined_and_the_connection_goes_on(dsn: str) -> None:
    with RawClient(dsn, login=False) as client:
        for code in (80877103, 80877104):
            client.send(struct.pack("!ii", 8, code))
            assert client.socket.recv(1) == b"N"
        client.send(startup())
        assert client.receive() == ("R", b"\0\0\0\3")


def test_a_cancel_request_is_closed_without_answer(dsn: str) -> None:
    with RawClient(dsn, login=False) as client:
        client.send(struct.pack("!iiii", 16, 80877102, 1, 2))
        assert client.receive() == ("", b"")


@pytest.mark.parametrize("version", [0x00020000, 0x00040000])
def test_an_unknown_protocol_version_is_refused(dsn: str, version: int) -> None:
    with RawClient(dsn, login=False) as client:
        client.send(startup(version=version))
        assert error_code(client.until_ready()) == "0A000"


def test_a_newer_minor_version_is_negotiated_down(dsn: str) -> None:
    with RawClient(dsn, login=False) as client:
        client.send(startup({"_pq_.option": "1"}, version=0x00030002))
        assert client.receive() == ("v", struct.pack("!ii", 0, 1) + b"_pq_.option\0")
        assert client.receive()[0] == "R"


@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, struct.pack("!ii", 4, 0), bytes(64)])
def test_garbage_instead_of_a_startup_message_ends_the_connection(dsn: str, garbage: bytes) -> None:
    with RawClient(dsn, login=False) as client:
        client.send(garbage)
        client.socket.shutdown(socket.SHUT_WR)
        assert client.until_ready()[-1][0] == ""
    with RawClient(dsn) as other:
        assert row_values(other.ask("SELECT 1")) == ["1"]


@pytest.mark.parametrize("garbage", [
    b"\0\0\0\0\0\0",
    b"Q\xff\xff\xff\xff",
    b"Q\0\0\0\3",
    message("Q", b"no zero at the end"),
    message("B", b"\0"),
    message("p", b"late password\0"),
    b"!" + struct.pack("!i", 4),
])  # fmt: skip
def test_garbage_inside_a_transaction_harms_nobody_else(dsn: str, garbage: bytes) -> None:
    with RawClient(dsn) as other:
        other.ask("CREATE TABLE IF NOT EXISTS unharmed (n int)")
        with RawClient(dsn) as client:
            client.ask("BEGIN")
            client.ask("INSERT INTO unharmed VALUES (1)")
            client.send(garbage)
            answer = client.until_ready()
            assert error_code(answer) == "08P01"
            assert answer[-1][0] == ""
        assert row_values(other.ask("SELECT count(*) FROM unharmed")) == ["0"]


def test_a_bind_that_postgresql_cannot_read_is_an_error_only(dsn: str) -> None:
    with RawClient(dsn) as client:
        client.send(message("P", b"\0SELECT 1\0\0\0") + message("B", b"\0\0" + b"\xff" * 20) + message("S"))
        assert error_code(client.until_ready()) == "08P01"
        assert row_values(client.ask("SELECT 1")) == ["1"]


def test_function_calls_by_message_are_refused(dsn: str) -> None:
    with RawClient(dsn) as client:
        client.send(message("F", struct.pack("!ihhh", 1, 0, 0, 0)))
        assert error_code(client.until_ready()) == "0A000"


async def test_errors_keep_code_detail_constraint_and_position(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE parents (id int PRIMARY KEY)")
    await connection.execute("CREATE TABLE children (id int CONSTRAINT belongs REFERENCES parents)")
    with pytest.raises(asyncpg.ForeignKeyViolationError) as foreign:
        await connection.execute("INSERT INTO children VALUES ($1)", 9)
    assert foreign.value.constraint_name == "belongs"
    assert foreign.value.table_name == "children"
    assert "(id)=(9)" in str(foreign.value.detail)
    with pytest.raises(asyncpg.UndefinedColumnError) as undefined:
        await connection.execute("SELECT nothing FROM parents")
    assert undefined.value.position == "8"
    with pytest.raises(asyncpg.RaiseError, match="by hand") as raised:
        await connection.execute("DO $$ BEGIN RAISE 'by hand' USING HINT = 'a hint'; END $$")
    assert raised.value.hint == "a hint"
    await connection.close()


async def test_notices_reach_the_client_and_debug_messages_do_not(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    notices: list[str] = []
    connection.add_log_listener(lambda _, notice: notices.append(str(notice)))
    await connection.execute("DO $$ BEGIN RAISE DEBUG 'no'; RAISE NOTICE 'yes'; END $$")
    assert [notice.removeprefix("PostgresLogMessage: ") for notice in notices] == ["yes"]
    await connection.close()


async def test_values_of_many_megabytes_go_both_ways(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    data = bytes(range(256)) * (12 * MIB // 256)
    assert await connection.fetchval("SELECT $1::bytea", data) == data
    text = "ü" * (8 * MIB)
    assert await connection.fetchval("SELECT $1::text || '!'", text) == text + "!"
    rows = await connection.fetch("SELECT n, repeat('x', 1000) FROM generate_series(1, 30000) n")
    assert [row[0] for row in rows] == list(range(1, 30001))
    assert {len(row[1]) for row in rows} == {1000}
    await connection.close()


def test_a_client_that_reads_late_gets_everything(dsn: str) -> None:
    with RawClient(dsn) as late, RawClient(dsn) as other:
        late.send(query("SELECT repeat('x', 1000) FROM generate_series(1, 20000)") * 3)
        time.sleep(0.3)
        assert row_values(other.ask("SELECT 1")) == ["1"]
        for _ in range(3):
            assert len(row_values(late.until_ready())) == 20_000


def test_an_empty_query_and_several_statements(dsn: str) -> None:
    with RawClient(dsn) as client:
        assert kinds(client.ask("")) == "IZ"
        assert kinds(client.ask("SELECT 1; SELECT 1/0; SELECT 2")) == "TDCEZ"
        assert kinds(client.ask("/* LISTEN x */; LISTEN y; UNLISTEN *; SELECT 1;")) == "CCTDCZ"


def test_connections_have_different_ids(server: EmbeddedServer) -> None:
    with RawClient(server.dsn) as one, RawClient(server.dsn) as two:
        ids = {body[:4] for client in (one, two) for kind, body in client.greeting if kind == "K"}
        assert len(ids) == 2
