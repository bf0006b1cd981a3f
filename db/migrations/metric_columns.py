"""What a revision calls to add a gauge to `agent_metrics` and its three rollup levels, or to take one away.

The levels are made anew (`rebuild.py`): uploads, charts and alerts go on meanwhile. Everything is read from the
database, so a revision means the same for ever.
"""

from alembic import op

from db.migrations.rebuild import LEVELS, columns_of, fetch, rebuild_levels
from db.migrations.statements import is_recording, run


def add_gauge(name: str, *, whole: bool = False) -> None:
    """Add a gauge: a column of samples (bigint if `whole`), its sum, count, min and max in each level.

    Each step may be run again: the column, the levels, the first refresh.
    """
    with op.get_context().autocommit_block():  # uploads must not wait for the copy
        run(f"ALTER TABLE agent_metrics ADD COLUMN IF NOT EXISTS {name} {'bigint' if whole else 'double precision'}")
    if f"{name}_sum" not in columns_of(LEVELS[-1].relation):
        rebuild_levels(columns_of("agent_metrics"))
    refresh_levels()


def drop_gauge(name: str) -> None:
    """Take a gauge away, with its values."""
    if not is_recording():
        columns = columns_of("agent_metrics")
        columns.pop(name, None)
        rebuild_levels(columns)
    run(f"ALTER TABLE agent_metrics DROP COLUMN IF EXISTS {name}")
    refresh_levels()


def refresh_levels() -> None:
    """Run the jobs that refresh once, outside the transaction: they compute what came during the copy."""
    if is_recording():
        return
    with op.get_context().autocommit_block():
        for level in LEVELS:
            run(f"CALL run_job({fetch('refresh_job', relation=level.relation)[0][0]})")
