"""Autovacuum comes less often to the tables that every upload updates.

Locks agent_devices against other changes of its schema, not against uploads: 50 ms.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "sql" / "vacuum_settings.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Take the usual settings back."""
    run("ALTER TABLE agent_devices RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)")
    run("ALTER TABLE agent_monitored_services RESET (autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)")
