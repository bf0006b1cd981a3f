"""Baselines of instances (disks, interfaces) by hour of the week, computed by the worker.

As those of columns (`baselines.py`), they are computed again once a day, for a new rule or series within the hour.
"""

import logging
from collections.abc import Sequence
from datetime import datetime

import asyncpg

from alerts.query.baselines import FORGET_AFTER, RENEW_AFTER
from alerts.query.forecasts import each_batch, terms_in_force
from alerts.query.term_queries import as_json
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "series_baselines.sql")

log = logging.getLogger(__name__)


async def update_series_baselines(connection: Connection, now: datetime, default_zone: str = "UTC") -> None:
    """Compute the baselines of the series that active rules compare and that are older than a day.

    Hours are by the zone of the device's site, else of its business, else `default_zone` (an IANA name).
    """
    terms = [term for term in await terms_in_force(connection, "series") if term.deviations]
    outdated = (
        await connection.fetch(
            *QUERIES.bind("read_series", terms=as_json(terms, {}), now=now, age=RENEW_AFTER, default_zone=default_zone)
        )
        if terms
        else []
    )

    async def write(some: Sequence[asyncpg.Record]) -> None:
        series, zones = [row["series_id"] for row in some], [row["time_zone"] for row in some]
        await connection.execute(*QUERIES.bind("write_baselines", series=series, time_zones=zones, now=now))
        await connection.execute(*QUERIES.bind("forget_hours", series=series, now=now))

    await each_batch(connection, "baselines of series", outdated, write, now)
    await connection.execute(*QUERIES.bind("forget_baselines", now=now, age=FORGET_AFTER))
    if outdated:
        log.info("computed the baselines of %d series", len(outdated))
