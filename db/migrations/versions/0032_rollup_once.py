"""The rollup of five minutes stores a value once where a bucket has one sample; a view fills in what it repeats.

The increase of a counter is computed by one call for a bucket, no longer by one for each sample.
Copies the three levels beside the old ones and swaps them: uploads, charts and alerts go on meanwhile and wait for the
swap only, below a second. It needs free space for the new levels (docs/recovery.md). Older code runs beside it and
reads the same values from the view.
"""

from pathlib import Path

from db.migrations.metric_columns import refresh_levels
from db.migrations.rebuild import COPIES, LEVELS, columns_of, fetch, rebuild_levels
from db.migrations.statements import is_recording, run, run_file

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None
serves = "0021"

FOLDER = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    """Make the levels anew, unless an interrupted upgrade has done it."""
    run_file(FOLDER / "counter_increase_of_samples.sql")
    if not fetch("is_filled_in", relation=LEVELS[0].relation)[0][0]:
        rebuild_levels(columns_of("agent_metrics"))
    refresh_levels()


def downgrade() -> None:
    """Make them anew with every value in its place; nothing is lost."""
    if not is_recording():
        rebuild_levels(columns_of("agent_metrics"), COPIES)
    run("DROP FUNCTION IF EXISTS counter_increase_of_samples(double precision[])")
    refresh_levels()
