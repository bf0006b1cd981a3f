"""The result of the revisions as text: the schema and its storage policies.

`make release` writes it for the newest revision; `tests/db/test_released_revisions.py` compares each file with what the
revisions make today.
"""

from pathlib import Path

from db.migrations.run import head
from db.pools import Connection
from db.schema_text import schema_text
from db.sql import load_beside
from db.write_schema import write

QUERIES = load_beside(__file__, "release_snapshot.sql")
RELEASED = Path(__file__).parents[1] / "tests" / "db" / "released"


async def snapshot(connection: Connection) -> str:
    """Return the schema of a migrated database, with its policies as comments at the end."""
    policies = sorted(row["line"] for row in await connection.fetch(*QUERIES.bind("list_policies")))
    return "\n".join([(await schema_text(connection)).rstrip(), "", *(f"-- {line}" for line in policies), ""])


if __name__ == "__main__":
    write(RELEASED / f"{head()}.sql", snapshot)
