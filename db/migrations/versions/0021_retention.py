"""How long each level is kept becomes data: values, changes, legal holds, sizes by day.

Makes new tables, a view and two functions; locks no table that exists.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "sql" / "retention.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop what the file made: the history of changes and all holds are lost, policies stay as they are."""
    run("DROP FUNCTION agent_drop_old_chunks, agent_set_policy")
    run("DROP VIEW agent_held_devices")
    run("DROP TABLE agent_storage_sizes, agent_legal_holds, agent_retention_changes, agent_storage_levels")
