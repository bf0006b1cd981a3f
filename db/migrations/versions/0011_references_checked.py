"""The foreign keys of the revision before are checked.

Reads our tables once, beside everything else: it locks neither the platform's writes nor uploads out.
"""

from pathlib import Path

from db.migrations.statements import run_file

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[2] / "schema" / "references_checked.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Nothing to do: a key that is checked is the same key."""
