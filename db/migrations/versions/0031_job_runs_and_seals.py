"""Runs of delayed jobs by the worker; seals of the audit trail beside rows that can't be read.

A new table and a new body of a function: no lock on what exists. Older code runs beside it.
"""

from pathlib import Path

from db.migrations.statements import run, run_file
from db.sql import load_queries

revision = "0031"
down_revision = "0029"
branch_labels = None
depends_on = None
serves = "0021"

FOLDER = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FOLDER / "job_runs_and_seals.sql")


def downgrade() -> None:
    """Forget when the worker ran which job; one row that can't be read stops the seals again."""
    before = load_queries(FOLDER / "audit_chain.sql")
    run(before["agent_audit_seal"].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    run("DROP FUNCTION agent_audit_readable(bigint, integer)")
    run(before["agent_audit_paths"])
    run("DROP TABLE agent_job_runs")
