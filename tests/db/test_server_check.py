"""Which servers the product starts on, and what it says to install on the others."""

from dataclasses import replace

import asyncpg
import pytest

from db.migrations.run import head
from db.schema_check import SchemaNotMigratedError, check_schema
from db.server_check import ServerFacts, UnsuitableServerError, check_server, describe_server, find_fault, parse_version

GOOD = ServerFacts("PostgreSQL 18.4 on x86_64", 180004, "2.29.2", "2.29.2", "timescale", scheduler=True, standby=False)
EMBEDDED = replace(
    GOOD, version_text="PostgreSQL 17.5 on x86_64, compiled by emcc", postgres=170005, timescaledb="2.23.0-dev",
    scheduler=False,
)  # fmt: skip


@pytest.mark.parametrize(
    "server",
    [
        GOOD, replace(GOOD, postgres=160000), replace(GOOD, timescaledb="2.28.0"), replace(GOOD, timescaledb="3.0.0"),
        replace(GOOD, scheduler=False), EMBEDDED,
    ],
)  # fmt: skip
def test_a_server_that_will_do(server: ServerFacts) -> None:
    assert find_fault(server) is None


@pytest.mark.parametrize(
    ("server", "advice"),
    [
        (replace(GOOD, postgres=150009), "PostgreSQL 16, 17 or 18 is needed, this is 15"),
        (replace(GOOD, timescaledb=None, available=None), "install the Community edition"),
        (replace(GOOD, timescaledb=None, available=None), "docker-compose.timescale.yml"),
        (replace(GOOD, timescaledb=None), "run CREATE EXTENSION timescaledb"),
        (replace(GOOD, license="apache"), "install the Community edition (package timescaledb-2-postgresql-NN"),
        (replace(GOOD, license=None), "install the Community edition"),
        (replace(GOOD, timescaledb="2.27.9"), "TimescaleDB 2.28 or newer is needed, 2.27.9 is installed"),
        (replace(GOOD, timescaledb="2.9.0"), "ALTER EXTENSION timescaledb UPDATE"),
        (replace(EMBEDDED, timescaledb="2.22.1"), "TimescaleDB 2.23 or newer is needed"),
        (replace(GOOD, timescaledb="2.23.0"), "TimescaleDB 2.28 or newer is needed"),
    ],
)
def test_a_server_that_wont_do_is_told_what_to_install(server: ServerFacts, advice: str) -> None:
    with pytest.raises(UnsuitableServerError) as refused:
        check_server(server)
    assert advice in refused.value.message


@pytest.mark.parametrize(("text", "version"), [("2.28.5", (2, 28)), ("2.23.0-dev", (2, 23)), ("2.9.0", (2, 9))])
def test_versions_are_compared_as_numbers(text: str, version: tuple[int, int]) -> None:
    assert parse_version(text) == version


async def test_the_server_of_these_tests_will_do(database: str) -> None:
    connection = await asyncpg.connect(database)
    server = await describe_server(connection)
    await connection.close()
    check_server(server)
    assert server.timescaledb is not None
    assert server.license == "timescale"


async def test_a_schema_of_another_revision_is_refused_with_the_command_to_run(database: str) -> None:
    connection = await asyncpg.connect(database)
    await check_schema(connection)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("UPDATE rts_agents_alembic_version SET version_num = '0000'")
    with pytest.raises(SchemaNotMigratedError, match=r"revision 0000.*rts-agents db upgrade"):
        await check_schema(connection)
    await connection.execute("DROP TABLE rts_agents_alembic_version")
    with pytest.raises(SchemaNotMigratedError, match=r"revision none"):
        await check_schema(connection)
    await transaction.rollback()
    await connection.close()


async def test_older_code_starts_on_a_newer_schema_that_serves_it(database: str) -> None:
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("UPDATE rts_agents_alembic_version SET version_num = 'newer'")
    for served, starts in (("0009", True), (head(), True), ("newer", False), ("unknown", False)):
        await connection.execute(f"COMMENT ON TABLE rts_agents_alembic_version IS 'serves {served}'")
        if starts:
            await check_schema(connection)
            continue
        with pytest.raises(SchemaNotMigratedError, match="newer version of the code"):
            await check_schema(connection)
    await connection.execute("COMMENT ON TABLE rts_agents_alembic_version IS NULL")
    with pytest.raises(SchemaNotMigratedError, match="newer version of the code"):
        await check_schema(connection)
    await transaction.rollback()
    assert await connection.fetchval("SELECT obj_description('rts_agents_alembic_version'::regclass)") is not None
    await connection.close()
