"""${message}"""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
# The oldest revision whose code runs on this schema: an older one where this revision only adds.
serves = ${repr(up_revision)}


def upgrade() -> None:
    """Say what is added and why."""
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    """Take back exactly what upgrade added."""
    ${downgrades if downgrades else "pass"}
