"""Refreshes become jobs of a procedure that never begins before the oldest chunk of its source.

Locks the rollups for a moment. Older code runs beside it; it reports the refresh policies as missing.
"""

from pathlib import Path

from db.migrations.statements import run, run_file
from db.sql import load_queries

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None
serves = "0021"

FOLDER = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FOLDER / "refresh_within_source.sql")


def downgrade() -> None:
    """Put TimescaleDB's policies back, with the values of the jobs; nothing is lost."""
    run_file(FOLDER / "refresh_unbounded.sql")
    before = load_queries(FOLDER / "retention.sql")
    run(before["agent_set_policy"].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    run(before["agent_retention_functions"])
    run("DROP FUNCTION agent_storage_jobs")
    run("DROP PROCEDURE agent_refresh_rollup")
