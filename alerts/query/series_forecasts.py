"""Growth of series for forecast conditions on instances, computed by the worker from the rollups once an hour."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg

from alerts.query.forecasts import each_batch, terms_in_force
from alerts.query.series_statements import SERIES
from alerts.query.term_queries import as_json
from db.hypertables.policies import SERIES_LEVELS
from db.pools import Connection
from rollups.series_history import read_series_watermarks


async def update_series_forecasts(connection: Connection, now: datetime) -> None:
    """Compute the growth of every series that an active forecast condition uses; a failure is noted and skipped."""
    terms = await terms_in_force(connection, "series_forecast")
    rows = await connection.fetch(*SERIES.bind("read_forecast_series", terms=as_json(terms, {}))) if terms else []
    days_until = (await read_series_watermarks(connection))[SERIES_LEVELS[3].relation]

    async def write(some: Sequence[asyncpg.Record]) -> None:
        series = [row["id"] for row in some]
        await connection.execute(*SERIES.bind("write_forecasts", series=series, now=now, days_until=days_until))

    await each_batch(connection, "forecasts of series", rows, write, now)
    await connection.execute(*SERIES.bind("forget_forecasts", now=now))
