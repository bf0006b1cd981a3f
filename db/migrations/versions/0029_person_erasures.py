"""Erasures of persons beside those of devices and businesses. Changes one constraint of a small table.

Older code runs beside it, but can't list erasures once there is one of a person.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None
serves = "0021"

FILE = Path(__file__).parents[1] / "sql" / "person_erasures.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Forget erasures of persons: their certificates are lost."""
    run("DELETE FROM agent_erasures WHERE subject_kind = 'person'")
    run(
        "ALTER TABLE agent_erasures DROP CONSTRAINT agent_erasures_subject_kind_check, "
        "ADD CONSTRAINT agent_erasures_subject_kind_check CHECK (subject_kind IN ('device', 'business', 'orphans'))"
    )
