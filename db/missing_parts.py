"""Finds missing tables, keys, indexes, rollups and views, which an incomplete restore may leave."""

import re

from db.pools import Connection
from db.schema_text import FILE, schema_text

PART = re.compile(
    r"^\s*(CREATE TABLE|CREATE MATERIALIZED VIEW|CREATE VIEW|CREATE OR REPLACE VIEW|CREATE INDEX|CREATE UNIQUE INDEX|"
    r"CREATE AGGREGATE|CONSTRAINT(?= \w+ (?:PRIMARY KEY|UNIQUE))) (\w+)",
    re.MULTILINE,
)
WORDS = {
    "CREATE TABLE": "table", "CREATE MATERIALIZED VIEW": "rollup", "CREATE VIEW": "view",
    "CREATE OR REPLACE VIEW": "complete view of", "CREATE INDEX": "index", "CREATE UNIQUE INDEX": "index",
    "CREATE AGGREGATE": "aggregate", "CONSTRAINT": "key",
}  # fmt: skip


def find_parts(schema: str) -> set[tuple[str, str]]:
    """Return (kind, name) of everything in the text of a schema."""
    return {(WORDS[kind], name) for kind, name in PART.findall(schema)}


async def find_missing(connection: Connection) -> list[str]:
    """Return a sentence for each part that the schema at head has and this database lacks."""
    missing = find_parts(FILE.read_text()) - find_parts(await schema_text(connection))
    return [
        f"the {kind} {name} is missing: was a restore incomplete? Restore again as docs/recovery.md says"
        for kind, name in sorted(missing)
    ]
