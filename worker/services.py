"""Services that their devices no longer have are forgotten after a while, so that they leave room for others."""

from datetime import datetime, timedelta

from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "services.sql")
FORGET_AFTER = timedelta(days=7)
MOST_MISSING = 200  # of one device


async def forget_missing_services(connection: Connection, now: datetime) -> None:
    """Delete services that nobody looks at and that have been missing for a week."""
    await connection.execute(*QUERIES.bind("forget_missing", now=now, age=FORGET_AFTER, most=MOST_MISSING))
