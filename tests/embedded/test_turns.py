"""Several clients and one PostgreSQL session: transactions do not mix, and whoever leaves frees the others."""

import asyncio
import struct
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from embedded.server import EmbeddedServer
from tests.embedded.wire import RawClient, error_code, kinds, message, query, row_values
from tests.templates import EMPTY, copy_directory


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """A server that waits one second for a client that is idle in a transaction."""
    directory: Path = tmp_path_factory.mktemp("impatient")
    copy_directory(EMPTY, directory / "data")
    with EmbeddedServer(directory / "data", idle_in_transaction_s=1) as server:
        yield server


def parse(name: str, sql: str) -> bytes:
    return message("P", f"{name}\0{sql}\0".encode() + struct.pack("!h", 0))


def bind(portal: str, statement: str) -> bytes:
    return message("B", f"{portal}\0{statement}\0".encode() + struct.pack("!hhh", 0, 0, 0))


def execute(portal: str) -> bytes:
    return message("E", portal.encode() + b"\0" + struct.pack("!i", 0))


async def test_others_wait_for_the_end_of_a_transaction_in_order_of_arrival(dsn: str) -> None:
    one, two, three = [await asyncpg.connect(dsn) for _ in range(3)]
    await one.execute("CREATE TABLE queue (n serial, who text)")
    transaction = one.transaction()
    await transaction.start()
    await one.execute("INSERT INTO queue (who) VALUES ('one')")
    second = asyncio.create_task(two.execute("INSERT INTO queue (who) VALUES ('two')"))
    await asyncio.sleep(0.05)
    third = asyncio.create_task(three.fetchval("SELECT string_agg(who, ' ' ORDER BY n) FROM queue"))
    await asyncio.sleep(0.2)
    assert not second.done()
    assert not third.done()
    await transaction.rollback()
    await second
    assert await third == "two"
    for connection in (one, two, three):
        await connection.close()


async def test_connecting_does_not_wait_for_a_transaction(dsn: str) -> None:
    one = await asyncpg.connect(dsn)
    async with one.transaction():
        await one.execute("SELECT 1")
        settings = {"application_name": "second", "search_path": "pg_catalog"}
        two = await asyncio.wait_for(asyncpg.connect(dsn, server_settings=settings), 5)
    assert await two.fetchval("SHOW search_path") == "pg_catalog"
    await one.close()
    await two.close()


async def test_a_client_that_vanishes_inside_a_transaction_leaves_nothing(dsn: str) -> None:
    one, two = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await one.execute("CREATE TABLE vanished (n int)")
    await one.execute("BEGIN; INSERT INTO vanished VALUES (1)")
    waiting = asyncio.create_task(two.fetchval("SELECT count(*) FROM vanished"))
    await asyncio.sleep(0.1)
    one.terminate()
    assert await asyncio.wait_for(waiting, 5) == 0
    await two.close()


def test_a_client_that_vanishes_inside_an_extended_query_leaves_nothing(dsn: str) -> None:
    with RawClient(dsn) as watcher:
        watcher.ask("CREATE TABLE halfway (n int)")
        with RawClient(dsn) as client:
            client.send(parse("s", "INSERT INTO halfway VALUES (1)") + bind("", "s") + execute("") + message("H"))
            assert kinds([client.receive(), client.receive(), client.receive()]) == "12C"
        assert row_values(watcher.ask("SELECT count(*) FROM halfway")) == ["0"]
        assert row_values(watcher.ask("SELECT name FROM pg_prepared_statements WHERE name LIKE '%.s'")) == []


def test_a_client_that_vanishes_after_an_error_in_an_extended_query_leaves_nothing(dsn: str) -> None:
    with RawClient(dsn) as client:
        client.send(parse("", "SELECT 1/0") + bind("", "") + execute("") + message("H"))
        while client.receive()[0] != "E":
            pass
    with RawClient(dsn) as other:
        assert row_values(other.ask("SELECT 5")) == ["5"]


@pytest.mark.parametrize("first", ["", "BEGIN"])
def test_a_client_that_vanishes_inside_a_copy_leaves_nothing(dsn: str, first: str) -> None:
    with RawClient(dsn) as watcher:
        watcher.ask("CREATE TABLE IF NOT EXISTS half_copied (n int)")
        with RawClient(dsn) as client:
            client.ask(first)
            client.send(query("COPY half_copied FROM STDIN"))
            assert client.receive()[0] == "G"
            client.send(message("d", b"1\n2\n"))
        assert row_values(watcher.ask("SELECT count(*) FROM half_copied")) == ["0"]


def test_an_extended_query_up_to_sync_is_not_mixed_with_others(dsn: str) -> None:
    with RawClient(dsn) as client, RawClient(dsn) as other:
        client.ask("CREATE TABLE atomic (n int)")
        client.send(parse("a", "INSERT INTO atomic VALUES (1)") + bind("", "a") + execute("") + message("H"))
        assert kinds([client.receive(), client.receive(), client.receive()]) == "12C"
        other.send(query("SELECT count(*) FROM atomic"))
        other.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            other.receive()
        other.socket.settimeout(20)
        client.send(parse("b", "SELECT 1/0") + bind("", "b") + execute("") + message("S"))
        assert error_code(client.until_ready()) == "22012"
        assert row_values(other.until_ready()) == ["0"]


def test_a_client_that_sends_its_copy_slowly_does_not_hold_up_others(dsn: str) -> None:
    with RawClient(dsn) as slow, RawClient(dsn) as other:
        slow.ask("CREATE TABLE slowly (n int)")
        slow.send(query("COPY slowly FROM STDIN"))
        assert slow.receive()[0] == "G"
        slow.send(message("d", b"1\n"))
        assert row_values(other.ask("SELECT count(*) FROM slowly")) == ["0"]
        slow.send(message("d", b"2\n") + message("c"))
        assert kinds(slow.until_ready()) == "CZ"
        assert row_values(other.ask("SELECT count(*) FROM slowly")) == ["2"]


async def test_a_client_idle_in_a_transaction_is_thrown_out_and_rolled_back(
    impatient: EmbeddedServer,
) -> None:
    idle, other = await asyncpg.connect(impatient.dsn), await asyncpg.connect(impatient.dsn)
    await idle.execute("CREATE TABLE idle (n int)")
    await idle.execute("BEGIN; INSERT INTO idle VALUES (1)")
    assert await asyncio.wait_for(other.fetchval("SELECT count(*) FROM idle"), 10) == 0
    with pytest.raises((asyncpg.PostgresConnectionError, asyncpg.InterfaceError, ConnectionError)):
        await idle.execute("SELECT 1")
    await other.close()


def test_a_client_idle_in_a_transaction_is_told_why(impatient: EmbeddedServer) -> None:
    with RawClient(impatient.dsn) as idle:
        assert idle.ask("BEGIN")[-1] == ("Z", b"T")
        assert error_code(idle.until_ready()) == "25P03"


def test_a_client_that_stops_reading_inside_a_transaction_is_thrown_out(impatient: EmbeddedServer) -> None:
    with RawClient(impatient.dsn) as deaf, RawClient(impatient.dsn) as other:
        deaf.ask("BEGIN")
        deaf.send(query("SELECT repeat('x', 60000000)"))
        assert row_values(other.ask("SELECT 1")) == ["1"]


def test_being_idle_outside_of_a_transaction_is_allowed(impatient: EmbeddedServer) -> None:
    with RawClient(impatient.dsn) as patient:
        patient.socket.settimeout(1.5)
        with pytest.raises(TimeoutError):
            patient.receive()
        assert row_values(patient.ask("SELECT 1")) == ["1"]
