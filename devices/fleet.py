"""Reads the fleet for other monitoring systems: newest samples for a scrape, and the series of a remote read."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

import asyncpg

from core.errors import RtsError
from db.sql import load_beside

QUERIES = load_beside(__file__, "fleet.sql")
MAX_DEVICES = 5000  # of one scrape: about 1.3 kB each
MAX_SERIES = 500  # of one query of a remote read; each is a chart
PRESENT = timedelta(minutes=5)  # Prometheus drops a series that was not seen for as long


class TooManySeriesError(RtsError):
    """This query matches too many series: restrict it to a device or a metric."""

    code: ClassVar[str] = "too_many_series"
    status: ClassVar[int] = 422


class BadMatcherError(RtsError):
    """A matcher's regular expression is invalid."""

    code: ClassVar[str] = "bad_matcher"
    status: ClassVar[int] = 400


async def newest_samples(
    pool: asyncpg.Pool, tenant: UUID | None, business_id: UUID | None, now: datetime
) -> list[asyncpg.Record]:
    """Return devices with their newest sample, at most MAX_DEVICES by name; `metrics` is null for a silent one."""
    return await pool.fetch(
        *QUERIES.bind(
            "newest_samples", tenant=tenant, business_id=business_id, now=now, max_age=PRESENT, limit=MAX_DEVICES
        )
    )


async def matching_series(
    pool: asyncpg.Pool, tenant: UUID | None, names: Sequence[str], matchers: Sequence[tuple[str, int, str]]
) -> list[asyncpg.Record]:
    """Return the series whose labels fit all matchers (label, type, value).

    Raises TooManySeriesError, BadMatcherError.
    """
    labels, types, values = ([matcher[part] for matcher in matchers] for part in range(3))
    try:
        rows = await pool.fetch(
            *QUERIES.bind(
                "matching_series",
                tenant=tenant,
                metrics=list(names),
                labels=labels,
                types=types,
                values=values,
                limit=MAX_SERIES + 1,
            )
        )
    except asyncpg.InvalidRegularExpressionError as error:
        raise BadMatcherError(f"A matcher's regular expression is invalid: {error}.") from error
    if len(rows) > MAX_SERIES:
        raise TooManySeriesError(
            f"This query matches more than {MAX_SERIES} series: restrict it to a device or a metric."
        )
    return rows
