"""Room for the updates of devices in their pages, and cheaper checks at each of them.

Locks agent_devices exclusively: 50 ms at 5 million samples and 500 devices.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

FILE = Path(__file__).parents[1] / "sql" / "device_updates.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Take the old checks and fill factor back."""
    run(
        r"""
        ALTER TABLE agent_devices
            SET (fillfactor = 70),
            DROP CONSTRAINT agent_devices_agent_token_check,
            DROP CONSTRAINT agent_devices_previous_agent_token_check,
            ADD CONSTRAINT agent_devices_agent_token_check CHECK (agent_token ~ '^[0-9a-f]{64}$'),
            ADD CONSTRAINT agent_devices_previous_agent_token_check CHECK (previous_agent_token ~ '^[0-9a-f]{64}$')
        """
    )
