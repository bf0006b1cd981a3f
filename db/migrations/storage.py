"""Storage policies as revisions set them: frozen, so that a changed default never changes what an old revision does.

The values of today are in `db/hypertables/policies.py`; a revision brings an existing database from old to new values.
"""

from dataclasses import dataclass
from pathlib import Path

from alembic import op
from sqlalchemy import text

from db.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("storage.sql"))


@dataclass(frozen=True, slots=True)
class Storage:
    """Policies of one hypertable or continuous aggregate; ages and widths as PostgreSQL intervals.

    `refresh` is (start offset, end offset, every) of a continuous aggregate.
    """

    relation: str
    chunk: str
    columnstore_after: str
    keep: str
    refresh: tuple[str, str, str] | None = None


def set_storage(levels: tuple[Storage, ...]) -> None:
    """Set chunk interval, columnstore, retention and refresh of relations that have none."""
    for level in levels:
        _run("set_chunk_interval", relation=level.relation, chunk=level.chunk)
        if level.refresh:  # TimescaleDB wants a refresh policy before a columnstore policy
            start, end, every = level.refresh
            _run("add_refresh_policy", relation=level.relation, start=start, end=end, every=every)
        _run("add_columnstore_policy", relation=level.relation, after=level.columnstore_after)
        _run("add_retention_policy", relation=level.relation, keep=level.keep)


def _run(query: str, **values: str) -> None:
    op.get_bind().execute(text(QUERIES[query]), values)
