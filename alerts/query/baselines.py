"""What is usual for a metric of a device at an hour of the week: the worker's part of baseline conditions.

Each device's is worked out anew once a day; that of a new rule or device within the hour. Live evaluation only reads.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

import asyncpg

from alerts.query.forecasts import each_batch, terms_in_force
from alerts.query.runner import as_json
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "baselines.sql")
RENEW_AFTER, FORGET_AFTER = timedelta(days=1), timedelta(days=3)

log = logging.getLogger(__name__)


async def update_baselines(connection: Connection, now: datetime, default_zone: str = "UTC") -> None:
    """Work out what is usual, wherever a rule in force compares with it and it is older than a day.

    Hours are by the zone of the device's site, else of its business, else `default_zone` (an IANA name).
    """
    terms = await terms_in_force(connection, "baseline")
    pairs = (
        await connection.fetch(QUERIES["read_pairs"], as_json(terms, {}), now, RENEW_AFTER, default_zone)
        if terms
        else []
    )

    async def write(some: Sequence[asyncpg.Record]) -> None:
        arguments = [row["device_id"] for row in some], [row["metric"] for row in some], now
        zones = [row["time_zone"] for row in some]
        await connection.execute(QUERIES["write_baselines"], *arguments, zones)
        await connection.execute(QUERIES["forget_hours"], *arguments)

    await each_batch(connection, "baselines", pairs, write, now)
    await connection.execute(QUERIES["forget_baselines"], now, FORGET_AFTER)
    if pairs:
        log.info("worked out what is usual for %d metrics of devices", len(pairs))
