"""Gateways: tokens of a business whose uploads bring many hosts.

Makes two empty tables. Their foreign keys lock `agent_devices`, `businesses` and `service_locations` against writes for
a moment.
"""

from pathlib import Path

from db.migrations.statements import run, run_file

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None
serves = "0021"

FILE = Path(__file__).parents[1] / "sql" / "gateways.sql"


def upgrade() -> None:
    """Run the file."""
    run_file(FILE)


def downgrade() -> None:
    """Drop both tables: gateways are refused from then on, the devices of their hosts stay."""
    run("DROP TABLE agent_gateway_hosts")
    run("DROP TABLE agent_gateways")
