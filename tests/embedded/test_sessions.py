"""What belongs to one client, its statements and its settings, is not seen or destroyed by others."""

import asyncio

import asyncpg
import psycopg
import pytest

from tests.embedded.wire import RawClient, error_code, row_values


async def test_statements_with_the_same_names_do_not_collide(dsn: str) -> None:
    connections = [await asyncpg.connect(dsn) for _ in range(4)]
    statements = [
        await connection.prepare(f"SELECT {n} + $1::int", name="same") for n, connection in enumerate(connections)
    ]
    for _ in range(3):
        assert [await statement.fetchval(10) for statement in statements] == [10, 11, 12, 13]
    await connections[0].close()
    assert [await statement.fetchval(10) for statement in statements[1:]] == [11, 12, 13]
    for connection in connections[1:]:
        await connection.close()


async def test_unnamed_statements_of_two_clients_do_not_collide(dsn: str) -> None:
    async def ask(number: int) -> None:
        connection = await asyncpg.connect(dsn, statement_cache_size=0)
        for n in range(50):
            assert await connection.fetchval(f"SELECT {number} * $1::int", n) == number * n
        await connection.close()

    await asyncio.gather(*(ask(number) for number in range(5)))


async def test_giving_a_connection_back_to_the_pool_keeps_the_statements_of_others(dsn: str) -> None:
    other = await asyncpg.connect(dsn)
    statement = await other.prepare("SELECT count(*) FROM pg_class WHERE relname = $1")
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        for _ in range(3):
            async with pool.acquire() as connection:
                await connection.fetchval("SELECT $1::int", 1)
    assert await statement.fetchval("pg_class") == 1
    assert await other.fetchval("SHOW search_path") == '"$user", public'
    await other.close()


@pytest.mark.parametrize("command", ["DEALLOCATE ALL", "DISCARD ALL", "RESET ALL"])
async def test_a_reset_by_one_client_does_not_touch_another(dsn: str, command: str) -> None:
    one, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    statement = await other.prepare("SELECT 1")
    await other.execute("SET search_path = pg_catalog")
    assert await one.execute(command) == command.removesuffix(" ALL" if command == "RESET ALL" else "")
    assert await statement.fetchval() == 1
    assert await other.fetchval("SHOW search_path") == "pg_catalog"
    assert await one.fetchval("SHOW search_path") == '"$user", public'
    await one.close()
    await other.close()


async def test_deallocate_all_ends_the_clients_own_statements(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    statement = await connection.prepare("SELECT 1")
    await connection.execute("DEALLOCATE ALL")
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        await statement.fetchval()
    await connection.close()


def test_sql_prepare_execute_and_deallocate_have_a_name_space_per_client(dsn: str) -> None:
    with RawClient(dsn) as one, RawClient(dsn) as two:
        for client, value in ((one, 1), (two, 2)):
            client.ask(f"PREPARE mine AS SELECT {value}")
        assert row_values(one.ask("EXECUTE mine")) == ["1"]
        one.ask("DEALLOCATE PREPARE mine")
        assert error_code(one.ask("EXECUTE mine")) == "26000"
        assert row_values(two.ask("EXECUTE mine")) == ["2"]


async def test_settings_belong_to_the_client_that_set_them(dsn: str) -> None:
    one, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await one.execute("SET TIME ZONE 'Europe/Oslo'; SET work_mem = '8MB'")
    for _ in range(2):
        assert await other.fetchval("SHOW timezone") == "UTC"
        assert await other.fetchval("SHOW work_mem") == "4MB"
        assert await one.fetchval("SHOW timezone") == "Europe/Oslo"
        assert await one.fetchval("SHOW work_mem") == "8MB"
    await one.execute("RESET work_mem")
    assert await one.fetchval("SHOW work_mem") == "4MB"
    await one.close()
    late = await asyncpg.connect(dsn)
    assert await late.fetchval("SHOW timezone") == "UTC"
    await other.close()
    await late.close()


async def test_a_setting_of_a_rolled_back_transaction_is_forgotten(dsn: str) -> None:
    one, other = await asyncpg.connect(dsn), await asyncpg.connect(dsn)
    await one.execute("BEGIN; SET work_mem = '8MB'; ROLLBACK")
    await one.execute("BEGIN; SET LOCAL work_mem = '9MB'; COMMIT")
    assert await other.fetchval("SHOW work_mem") == "4MB"
    assert await one.fetchval("SHOW work_mem") == "4MB"
    await one.close()
    await other.close()


async def test_settings_of_the_connection_string_last_for_the_connection(dsn: str) -> None:
    one = await asyncpg.connect(dsn, server_settings={"search_path": "pg_catalog, public", "work_mem": "5MB"})
    other = await asyncpg.connect(dsn)
    for _ in range(2):
        assert await other.fetchval("SHOW work_mem") == "4MB"
        assert await one.fetchval("SHOW search_path") == "pg_catalog, public"
        await one.execute("RESET ALL")
        assert await one.fetchval("SHOW work_mem") == "5MB"
    await one.close()
    await other.close()


def test_the_driver_is_told_about_changed_settings(dsn: str) -> None:
    options = "-c work_mem=6MB -csearch_path=pg_catalog,public"
    with psycopg.connect(dsn, autocommit=True, options=options) as connection:
        assert connection.execute("SHOW work_mem").fetchone() == ("6MB",)
        assert connection.execute("SHOW search_path").fetchone() == ("pg_catalog,public",)
        assert connection.info.parameter_status("TimeZone") == "UTC"
        connection.execute("SET TIME ZONE 'Europe/Oslo'")
        assert connection.info.parameter_status("TimeZone") == "Europe/Oslo"
        connection.execute("RESET ALL")
        assert connection.info.parameter_status("TimeZone") == "UTC"


def test_an_impossible_setting_in_the_connection_string_is_refused_at_the_first_query(dsn: str) -> None:
    with RawClient(dsn, work_mem="much") as client:
        assert error_code(client.ask("SELECT 1")) == "22023"
    with RawClient(dsn) as other:
        assert row_values(other.ask("SELECT 1")) == ["1"]
