"""What revisions share: running SQL as it stands, and asking what is there."""

from pathlib import Path

from alembic import op
from sqlalchemy import text

from db.sql import load_queries


def run(statement: str) -> None:
    """Run SQL as it stands: `text()` would read `:name` in it, the driver `%` where there are parameters."""
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def run_file(file: Path) -> None:
    """Run each statement of a SQL file, in order."""
    for statement in load_queries(file).values():
        run(statement)


def exists(table: str) -> bool:
    """Tell whether the search path leads to a table of this name."""
    return bool(op.get_bind().scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}))
