"""What revisions share: running SQL as it stands, and asking what is there."""

from alembic import op
from sqlalchemy import text


def run(statement: str) -> None:
    """Run SQL as it stands: `text()` would read `:name` in it, the driver `%` where there are parameters."""
    op.get_bind().exec_driver_sql(statement, execution_options={"no_parameters": True})


def exists(table: str) -> bool:
    """Tell whether the search path leads to a table of this name."""
    return bool(op.get_bind().scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": table}))
