"""Each upload updates its device's row: no index may name what it sets, or every index is written with it."""

import re

import asyncpg
import pytest

from db.sql import load_queries
from tests.db.test_sql import REPOSITORY

# Set only when something has changed: an index may name them.
SELDOM = {"status", "status_due_at", "status_changed_at", "clone_suspected_at", "previous_token_until"}


def columns_set() -> set[str]:
    """What the two statements of a flush set."""
    queries = load_queries(REPOSITORY / "ingest" / "queries.sql")
    return set_by(queries["touch_devices"], "FROM judged j") | set_by(queries["touch_usual_devices"], "FROM unnest")


def set_by(statement: str, end: str) -> set[str]:
    """What an UPDATE sets, read up to the words `end`."""
    touched = statement[statement.index("UPDATE agent_devices d") : statement.index(end)]
    return set(re.findall(r"(?:SET|,\n)\s+(\w+) =", touched))


def test_the_statement_sets_what_we_think() -> None:
    assert {"last_metrics_received", "current_metrics", "current_collected_at", "boot_at", *SELDOM} <= columns_set()


@pytest.mark.parametrize("column", sorted(columns_set() - SELDOM))
async def test_no_index_names_what_each_upload_sets(pool: asyncpg.Pool, column: str) -> None:
    rows = await pool.fetch("SELECT indexdef FROM pg_indexes WHERE tablename = 'agent_devices'")
    assert len(rows) > 5
    assert [row["indexdef"] for row in rows if re.search(rf"\b{column}\b", row["indexdef"])] == []
