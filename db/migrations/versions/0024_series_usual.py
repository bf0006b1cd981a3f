"""Rules on instances compare with what is usual and look ahead in the past; smaller columnstore of series.

Adds a table and a function, and changes a setting of `agent_series_samples` for chunks that are converted later.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None
serves = "0021"

FILE = Path(__file__).parents[1] / "sql" / "series_usual.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop what it made; chunks that are in the columnstore stay as they are."""
    run("DROP FUNCTION alert_growth")
    run("DROP TABLE agent_series_baselines")
    run(
        "ALTER TABLE agent_series_samples SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'series_id', "
        "timescaledb.orderby = 'collected_at')"
    )
