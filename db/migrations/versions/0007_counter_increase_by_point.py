"""The aggregate of counters is quicker; continuous aggregates go on using it by its name.

Locks no table that is written to: 40 ms at 5 million samples.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

DB = Path(__file__).parents[2]


def upgrade() -> None:
    """Run the file."""
    run_file(DB / "migrations" / "sql" / "counter_increase_by_point.sql")


def downgrade() -> None:
    """Put the state in an array again."""
    before = (DB / "hypertables" / "counter_increase.sql").read_text()
    run(before.replace("CREATE AGGREGATE", "CREATE OR REPLACE AGGREGATE"))
    run("DROP FUNCTION counter_increase_add, counter_increase_sum")
