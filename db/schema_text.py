"""The whole schema at head as readable text: `db/schema.sql` is made by it, and a test compares both.

It is only for reading: databases are made by the revisions. `db/hypertables/policies.py` has the storage policies.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import asyncpg

from db.pools import Connection
from db.sql import load_beside, load_queries

QUERIES = load_beside(__file__, "schema_text.sql")
FILE = Path(__file__).with_name("schema.sql")
PLATFORM = Path(__file__).parent / "migrations" / "sql" / "platform.sql"
HEAD = """\
-- The schema of this product at head, for reading. `make schema` writes it from a migrated database; revisions in
-- db/migrations make the database itself. Columns, constraints and indexes are in the order of their names.
"""


async def schema_text(connection: Connection) -> str:
    """Return the schema of a migrated database as SQL."""
    platform = list(load_queries(PLATFORM))
    rows = {}
    for name, statement in QUERIES.statements.items():
        rows[name] = await connection.fetch(*statement.bind(**dict.fromkeys(statement.parameters, platform)))
    parts = [HEAD, *format_functions(rows), *format_tables(rows), *format_rollups(rows)]
    return "\n".join(part.rstrip() + "\n" for part in parts)


def format_functions(rows: dict[str, list[asyncpg.Record]]) -> Iterator[str]:
    """Yield functions and aggregates."""
    for row in rows["functions"]:
        yield unqualified(row["definition"]) + ";"
    for row in rows["aggregates"]:
        final = f", FINALFUNC = {row['final']}" if row["final"] else ""
        body = f"SFUNC = {row['step']}, STYPE = {row['state']}{final}"
        yield f"CREATE AGGREGATE {row['name']} ({row['arguments']}) ({body});"


def format_tables(rows: dict[str, list[asyncpg.Record]]) -> Iterator[str]:
    """Yield each table with everything that belongs to it."""
    chunks = {row["name"]: row for row in rows["hypertables"]}
    for table in rows["tables"]:
        name = table["name"]
        constraints = [f"CONSTRAINT {row['name']} {row['definition']}" for row in of(rows["constraints"], name)]
        lines = [f"    {unqualified(line)}" for line in (*table["columns"], *constraints)]
        options = f" WITH ({', '.join(sorted(table['options']))})" if table["options"] else ""
        yield f"CREATE TABLE {name} (\n" + ",\n".join(lines) + f"\n){options};"
        if name in chunks:
            yield f"-- hypertable by {chunks[name]['column']}, chunks of {chunks[name]['chunk']}"
        if table["comment"]:
            yield f"COMMENT ON TABLE {name} IS '{table['comment']}';"
        yield from (unqualified(row["definition"]) + ";" for row in of(rows["indexes"], name))
        yield from (unqualified(row["definition"]) + ";" for row in of(rows["triggers"], name))


def format_rollups(rows: dict[str, list[asyncpg.Record]]) -> Iterator[str]:
    """Yield continuous aggregates and views."""
    for row in rows["rollups"]:
        definition = one_space(unqualified(row["definition"]))
        yield f"CREATE MATERIALIZED VIEW {row['name']} WITH (timescaledb.continuous) AS\n{definition}"
        if row["shown"]:
            yield f"CREATE OR REPLACE VIEW {row['name']} AS\n{one_space(row['shown'])}"
    for row in rows["views"]:
        yield f"CREATE VIEW {row['name']} AS\n{one_space(unqualified(row['definition']))}"


def of(rows: Iterable[asyncpg.Record], table: str) -> Iterator[asyncpg.Record]:
    return (row for row in rows if row["table"] == table)


def unqualified(text: str) -> str:
    """Return a definition without the names of schemas, which differ between installations."""
    return re.sub(r"\b(?:public|rts)\.(?=\w)", "", text)


def one_space(text: str) -> str:
    """Return a definition with its lines trimmed: versions of PostgreSQL indent differently."""
    return "\n".join("    " + line.strip() for line in text.strip().splitlines())
