"""Erasures with their certificates; a log of backups, restores and restore drills. Makes tables only, locks nothing."""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None
serves = "0018"

FILE = Path(__file__).parents[1] / "sql" / "erasures.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop the tables: certificates of erasures are lost, erasures that wait are forgotten."""
    run("DROP TABLE agent_erasure_devices, agent_erasures, agent_backup_log")
