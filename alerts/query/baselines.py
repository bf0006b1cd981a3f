"""Baselines of metrics of devices by hour of the week, computed by the worker.

They are computed again once a day, for a new rule or device within the hour. Live evaluation only reads them.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg

from alerts.query.forecasts import each_batch, terms_in_force
from alerts.query.term_queries import as_json
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "baselines.sql")
RENEW_AFTER, FORGET_AFTER = timedelta(days=1), timedelta(days=3)

log = logging.getLogger(__name__)


async def update_baselines(connection: Connection, now: datetime, default_zone: str = "UTC") -> None:
    """Compute the baselines that active rules use and that are older than a day.

    Hours are by the zone of the device's site, else of its business, else `default_zone` (an IANA name).
    """
    terms = await terms_in_force(connection, "baseline")
    pairs = (
        await connection.fetch(
            *QUERIES.bind("read_pairs", terms=as_json(terms, {}), now=now, age=RENEW_AFTER, default_zone=default_zone)
        )
        if terms
        else []
    )

    async def write(some: Sequence[asyncpg.Record]) -> None:
        pairs: dict[str, Any] = {
            "devices": [row["device_id"] for row in some], "metrics": [row["metric"] for row in some], "now": now
        }  # fmt: skip
        zones = [row["time_zone"] for row in some]
        await connection.execute(*QUERIES.bind("write_baselines", **pairs, time_zones=zones))
        await connection.execute(*QUERIES.bind("forget_hours", **pairs))

    await each_batch(connection, "baselines", pairs, write, now)
    await connection.execute(*QUERIES.bind("forget_baselines", now=now, age=FORGET_AFTER))
    if pairs:
        log.info("computed the baselines of %d metrics of devices", len(pairs))
