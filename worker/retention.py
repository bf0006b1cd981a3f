"""The worker's part of retention: changes that are due, legal holds, and the sizes of each day."""

from datetime import datetime

from db.pools import Connection
from devices.audit import WORKER
from retention.changes import Operator, apply_due
from retention.growth import note_sizes
from retention.holds import drop_unheld, end_holds
from retention.tenants import settle_tenants

OPERATOR = Operator("worker", WORKER)


async def apply_changes(connection: Connection, now: datetime) -> None:
    """Apply the changes of retention whose grace period is over, for all and for single businesses."""
    await apply_due(connection, now)
    await settle_tenants(connection, now)


async def keep_holds(connection: Connection, now: datetime) -> None:
    """Release legal holds that have ended, and drop old chunks that no hold protects."""
    await end_holds(connection, now, OPERATOR)
    await drop_unheld(connection, now)


async def keep_sizes(connection: Connection, now: datetime) -> None:
    """Note today's sizes of the storage."""
    await note_sizes(connection, now)
