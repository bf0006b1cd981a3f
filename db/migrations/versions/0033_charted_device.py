"""What a chart needs of its device, by one call of a function, whose plan is kept.

A new function: no lock on what exists. Older code runs beside it.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None
serves = "0021"

FOLDER = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FOLDER / "charted_device.sql")


def downgrade() -> None:
    """Remove the function."""
    run("DROP FUNCTION agent_charted_device(uuid, uuid, text[])")
