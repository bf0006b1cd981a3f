"""Retention of one business, longer or shorter than that of all. Makes tables only, locks nothing for long.

Older code runs beside it: it shows charts by the values for all, and deletes no rows of one business.
"""

from pathlib import Path

from db.migrations.statements import run, run_file
from db.sql import load_queries

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None
serves = "0021"

FOLDER = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FOLDER / "tenant_ages.sql")


def downgrade() -> None:
    """Drop the tables: ages of single businesses are lost; `rts-agents retention repair` then mends policies."""
    before = load_queries(FOLDER / "retention.sql")
    run(before["agent_drop_old_chunks"].replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    run(load_queries(FOLDER / "tenant_ages.sql")["agent_drop_old_chunks_path"])
    run("DROP TABLE agent_tenant_trims, agent_tenant_ages")
