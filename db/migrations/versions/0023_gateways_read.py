"""A gateway may read its business's fleet. Adds a column to a small table."""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None
serves = "0021"

FILE = Path(__file__).parents[1] / "sql" / "gateways_read.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop the column: no gateway may read."""
    run("ALTER TABLE agent_gateways DROP COLUMN may_read")
