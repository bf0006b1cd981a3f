"""db/schema.sql is the schema of a migrated database."""

import difflib

import asyncpg

from db.schema_text import FILE, schema_text


async def test_the_written_schema_is_that_of_a_migrated_database(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        text = await schema_text(connection)
    finally:
        await connection.close()
    difference = "\n".join(difflib.unified_diff(FILE.read_text().splitlines(), text.splitlines(), lineterm="", n=1))
    assert not difference, f"run `make schema` to write db/schema.sql anew:\n{difference}"


def test_the_written_schema_has_every_kind_of_thing() -> None:
    text = FILE.read_text()
    beginnings = (
        "CREATE TABLE agent_devices", "CREATE TABLE agent_metrics", "CREATE MATERIALIZED VIEW agent_metrics_5m",
        "CREATE AGGREGATE counter_increase", "CREATE OR REPLACE FUNCTION", "CREATE INDEX",
    )  # fmt: skip
    for beginning in beginnings:
        assert beginning in text
    assert "CREATE TABLE businesses" not in text
