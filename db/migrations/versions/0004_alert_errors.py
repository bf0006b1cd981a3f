"""The state `error` of alerts whose rule can't be understood any more."""

from pathlib import Path

from db.migrations.statements import run
from db.sql import load_queries

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[2] / "schema" / "alert_errors.sql"


def upgrade() -> None:
    """Run the file."""
    for statement in load_queries(FILE).values():
        run(statement)


def downgrade() -> None:
    """Keep such alerts open as those of which nothing is known."""
    run("UPDATE agent_alert_states SET state = 'no_data' WHERE state = 'error'")
    run(
        """
        ALTER TABLE agent_alert_states
            DROP CONSTRAINT agent_alert_states_state_check,
            ADD CONSTRAINT agent_alert_states_state_check
                CHECK (state IN ('pending', 'firing', 'recovering', 'no_data'))
        """
    )
