"""Approval of commands is held by the database: named, not lowered, not handed on.

Locks agent_commands exclusively for a moment; existing rows are not read.
Measured as 0018: 0.08 s, longest flush 20 ms.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "sql" / "approval.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop what the file made."""
    run("DROP TRIGGER agent_keeps_approval ON agent_commands")
    run("DROP FUNCTION agent_approval_stays")
    run("ALTER TABLE agent_commands DROP CONSTRAINT agent_commands_approval_signed")
