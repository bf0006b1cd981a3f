"""How long alerts, commands, events and all other records are kept, as values; indexes that find the old ones.

Writes to transitions, notifications, alert states and inventories wait while their index is built: seconds for a
million rows.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None
serves = "0021"

FILE = Path(__file__).parents[1] / "sql" / "record_ages.sql"
INDEXES = (
    "agent_alert_transitions_by_time", "agent_alert_notifications_by_time", "agent_software_inventory_removed",
    "agent_alert_states_by_history",
)  # fmt: skip


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop table and indexes: changed ages of records are lost, the release before keeps most records for ever."""
    run(f"DROP INDEX {', '.join(INDEXES)}")
    run("DROP TABLE agent_record_ages")
