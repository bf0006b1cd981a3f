"""Metrics with instances: series, their samples and rollup levels. agent_metrics is untouched."""

from pathlib import Path

from alembic import op

from db.hypertables.policies import SERIES_LEVELS, apply_policies
from db.migrations.statements import run, run_file
from db.sql import load_queries

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

DB = Path(__file__).parents[2]
TABLES = DB / "schema" / "series.sql"
HYPERTABLES = tuple(
    DB / "hypertables" / f"{name}.sql"
    for name in ("agent_series_samples", "agent_series_5m", "agent_series_1h", "agent_series_1d")
)


def upgrade() -> None:
    """Create the tables, the levels and their policies."""
    for file in (TABLES, *HYPERTABLES):
        run_file(file)
    apply_policies(op.get_bind(), SERIES_LEVELS)


def downgrade() -> None:
    """Drop them; the eleven columns stay as they are."""
    for level in reversed(SERIES_LEVELS[1:]):
        run(f"DROP MATERIALIZED VIEW {level.relation}")
    run("DROP TABLE agent_series_samples")
    run("DROP FUNCTION agent_series_merged")
    for table in reversed(load_queries(TABLES)):
        if table != "agent_series_merged":
            run(f"DROP TABLE {table}")
