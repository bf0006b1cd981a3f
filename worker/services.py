"""Deletes services that their devices no longer have, after a while, so that they leave room for others."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from uuid import UUID

from db.isolation import due_apart
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "services.sql")
FORGET_AFTER = timedelta(days=7)
MAX_MISSING = 200  # of one device


async def forget_missing_services(connection: Connection, now: datetime) -> None:
    """Delete unused services that have been missing for a week; a device that fails does not stop the others."""

    async def forget(only: Sequence[UUID] | None) -> int:
        await connection.execute(
            *QUERIES.bind("forget_missing", now=now, age=FORGET_AFTER, most=MAX_MISSING, only=only)
        )
        return 0

    await due_apart(connection, "missing services", now, forget, partial(QUERIES.bind, "devices_missing_some"))
