"""Changes wake the live channel by triggers; one function each of a counter's growth and of a person's name.

Locks the small tables that get a trigger for a moment, no table of samples.
"""

from pathlib import Path

from db.migrations.statements import run, run_file
from db.sql import load_queries

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None
serves = "0021"

FILE = Path(__file__).parents[1] / "sql" / "live_wakes.sql"
TRIGGERS = (
    ("agent_wake_live", "agent_events"),
    ("agent_wake_live_of_new", "agent_alert_history"),
    ("agent_wake_live", "agent_alert_history"),
    ("agent_wake_live_of_new", "agent_commands"),
    ("agent_wake_live", "agent_commands"),
    ("agent_wake_live", "agent_audit"),
)


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop triggers and functions: the statements of the release before notify by themselves."""
    for trigger, table in TRIGGERS:
        run(f"DROP TRIGGER {trigger} ON {table}")
    run("DROP FUNCTION agent_wake_live, counter_growth, agent_person_name")
    counter_value = load_queries(FILE.with_name("counter_breaks.sql"))["counter_value"]
    run(counter_value.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
