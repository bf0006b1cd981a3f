"""The names of employees beside the references to them, and why a ticket is put off.

Locks ours only, exclusively, for the time of the indexes and of the names of what is there: it depends on devices,
commands and alerts, not on samples. No table of the platform is locked against writes.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[2] / "schema" / "people.sql"
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
    run(
        "DROP INDEX agent_commands_by_requester, agent_commands_by_approver, agent_alert_history_by_acknowledger, "
        "agent_alert_history_by_resolver"
    )
    for table, columns in NAMES.items():
        run(f"DROP TRIGGER agent_keep_names ON {table}")
        for column in columns:
            run(f"ALTER TABLE {table} DROP COLUMN {column}_name")
    run("DROP FUNCTION agent_keep_names")
