"""The state `error` of alerts whose rule can't be understood any more; which late samples rules have seen.

Locks agent_alert_states exclusively and agent_devices against writes, for its key: 40 ms at 5 million samples.
"""

from pathlib import Path

from db.migrations.statements import run
from db.sql import load_queries

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

FILES = ("alert_errors.sql", "late_looks.sql")
SCHEMA = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Run the files."""
    for file in FILES:
        for statement in load_queries(SCHEMA / file).values():
            run(statement)


def downgrade() -> None:
    """Keep such alerts open as those of which nothing is known."""
    run("DROP TABLE agent_alert_late_looks")
    run("UPDATE agent_alert_states SET state = 'no_data' WHERE state = 'error'")
    run(
        """
        ALTER TABLE agent_alert_states
            DROP CONSTRAINT agent_alert_states_state_check,
            ADD CONSTRAINT agent_alert_states_state_check
                CHECK (state IN ('pending', 'firing', 'recovering', 'no_data'))
        """
    )
