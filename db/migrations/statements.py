"""What revisions share: running SQL as it stands, and asking what is there."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from alembic import op
from sqlalchemy import text

from db.sql import load_queries

MADE_HERE = "made by rts-agents: the platform had no such table"  # the comment of such a table
_recorded: ContextVar[list[str] | None] = ContextVar("_recorded", default=None)


@contextmanager
def recording() -> Iterator[list[str]]:
    """Record what `run` is given instead of running it: a downgrade can be read before it is done."""
    statements: list[str] = []
    token = _recorded.set(statements)
    try:
        yield statements
    finally:
        _recorded.reset(token)


def is_recording() -> bool:
    """Return whether statements are recorded: there is no database then."""
    return _recorded.get() is not None


def run(statement: str) -> None:
    """Run SQL as it stands: `text()` would read `:name` in it, the driver `%` where there are parameters."""
    recorded = _recorded.get()
    if recorded is not None:
        recorded.append(statement)
        return
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def run_file(file: Path) -> None:
    """Run each statement of a SQL file, in order."""
    for statement in load_queries(file).values():
        run(statement)


def exists(table: str) -> bool:
    """Tell whether the search path leads to a table of this name."""
    return bool(op.get_bind().scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}))


def is_made_here(table: str) -> bool:
    """Return whether `upgrade` made this table; always true while statements are recorded, without a database."""
    if is_recording():
        return True
    query = text("SELECT obj_description(to_regclass(:name), 'pg_class') = :comment")
    return bool(op.get_bind().scalar(query, {"name": table, "comment": MADE_HERE}))
