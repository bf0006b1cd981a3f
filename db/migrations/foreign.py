"""Tables that have our names and aren't ours: found before the first change, all at once."""

import re
from functools import cache
from pathlib import Path
from typing import ClassVar

from sqlalchemy import create_engine, text

from core.errors import RtsError
from db.migrations.urls import sqlalchemy_url
from db.sql import load_beside

QUERIES = load_beside(__file__, "foreign.sql")
ENV = load_beside(__file__, "env.sql")
DB = Path(__file__).parents[1]
CREATED = re.compile(r"^CREATE (?:TABLE|(?:MATERIALIZED )?VIEW) (\w+)", re.MULTILINE)


class ForeignTablesError(RtsError):
    """This database has tables of another program with names of this product."""

    code: ClassVar[str] = "foreign_tables"
    status: ClassVar[int] = 409


def check_foreign_tables(database_url: str) -> None:
    """Raise ForeignTablesError where tables have our names and no revision of ours was ever applied there."""
    engine = create_engine(sqlalchemy_url(database_url))
    try:
        with engine.connect() as connection:
            if connection.scalar(text(ENV["missing_schema"])):
                return
            if connection.scalar(text(QUERIES["has_versions"])) and connection.scalar(text(QUERIES["is_upgraded"])):
                return
            rows = connection.execute(text(QUERIES["foreign_tables"]), {"names": sorted(own_relations())}).all()
    finally:
        engine.dispose()
    if rows:
        listed = "\n".join(f"  {row.name}{f' (about {row.rows:,} rows)' if row.rows >= 0 else ''}" for row in rows)
        raise ForeignTablesError(
            f"This database has {len(rows)} foreign tables or views with names of this product:\n{listed}\n"
            "Nothing was changed. Two ways out (docs/platform.md):\n"
            "  - a separate schema for this product: RTS_SCHEMA=rts_agents rts-agents db upgrade\n"
            "  - and then, to take their devices and metrics over: RTS_SCHEMA=rts_agents rts-agents db import-platform"
        )


@cache
def own_relations() -> frozenset[str]:
    """Return the names of all tables and views that our SQL files make, but for the platform's."""
    files = [*DB.glob("migrations/sql/*.sql"), *DB.glob("hypertables/*.sql")]
    return frozenset(
        name for file in files if file.name != "platform.sql" for name in CREATED.findall(file.read_text())
    )
