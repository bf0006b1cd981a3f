"""Deletes rows of a business with shorter retention than others by device id, because chunks stay for the others.

A chunk is dropped at the longest age of all businesses. Rows of the others are deleted before, a day (UTC) and some
devices in a transaction, by the statements of an erasure, so that rollups of other businesses are not computed again.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

from db.hypertables.policies import SLACK
from db.hypertables.values import StorageValues, read_values
from db.isolation import Isolated
from db.pools import Connection
from db.sql import load_beside
from devices.erasure.scope import QUERIES as ERASURE
from devices.erasure.scope import STORED, before_times
from retention.ages import ages_from_days, days_by_level

QUERIES = load_beside(__file__, "tenants.sql")
DEVICES_AT_ONCE = 20
BUSINESS_SECONDS = 600.0  # for one business in a run; the next run continues
LEVEL_OF = {level.relation: level.name for level in STORED}
log = logging.getLogger(__name__)


def undeleted_ages(values: StorageValues, business_id: UUID) -> dict[str, timedelta]:
    """Return by level the age up to which rows of a business are not deleted."""
    return ages_from_days(days_by_level(values)) | dict(values.undeleted.get(business_id, {}))


def trim_times(values: StorageValues, business_id: UUID, now: datetime) -> dict[str, datetime]:
    """Return by level the time before which rows of a business are deleted, where chunks are kept longer.

    A refresh computes whole buckets of all devices again. So a row that it may still read stays until the refresh looks
    back less far, unless the coarser level is deleted up to there as well.
    """
    ages = undeleted_ages(values, business_id)
    times: dict[str, datetime] = {}
    coarser: datetime | None = None
    for level, above in reversed([*zip(values.metrics, (*values.metrics[1:], None), strict=True)]):
        until = now - ages[level.name]
        if above and above.refresh_from and coarser:
            until = min(until, max(now - above.refresh_from - SLACK, coarser))
        coarser = until.replace(hour=0, minute=0, second=0, microsecond=0)
        if ages[level.name] < values.drop_after(level):
            times[level.name] = coarser
    return times


async def trim_tenants(connection: Connection, now: datetime) -> Counter[str]:
    """Delete the due rows of every business; returns rows by relation. One that fails does not stop the others."""
    values = await read_values(connection)
    deleted: Counter[str] = Counter()
    if not values.undeleted:
        return deleted
    isolated = await Isolated(connection, "tenant retention", now).read()
    for row in await connection.fetch(QUERIES["list_businesses"]):
        times = _due_times(trim_times(values, row["id"], now), dict(zip(row["levels"], row["trimmed"], strict=True)))
        if times:
            trim = partial(trim_business, connection, row["id"], times, now)
            deleted += await isolated.attempt_parts(f"business:{row['id']}", trim, BUSINESS_SECONDS) or Counter()
    return deleted


def _due_times(times: Mapping[str, datetime], trimmed: Mapping[str, datetime]) -> dict[str, datetime]:
    return {name: until for name, until in times.items() if name not in trimmed or trimmed[name] < until}


async def trim_business(
    connection: Connection, business_id: UUID, times: Mapping[str, datetime], now: datetime
) -> Counter[str]:
    """Delete rows of a business by level, each before its time; returns rows by relation."""
    deleted: Counter[str] = Counter()
    for batch in batches(await connection.fetch(*QUERIES.bind("list_devices", business_id=business_id))):
        async with connection.transaction():
            await connection.execute(QUERIES["limit_waits"])
            await connection.execute(ERASURE["spare_the_others"])
            deleted += await before_times(connection, times, *ids_of(batch), "deletes")
    for name, until in times.items():
        rows = sum(count for relation, count in deleted.items() if LEVEL_OF[relation] == name)
        await connection.execute(
            *QUERIES.bind("note_trim", business_id=business_id, level=name, until=until, now=now, rows=rows)
        )
    if deleted:
        log.info("business %s: deleted %d rows that were older than its retention", business_id, sum(deleted.values()))
    return deleted


async def count_trims(connection: Connection, values: StorageValues, business_id: UUID, now: datetime) -> Counter[str]:
    """Return how many rows of a business `values` would delete by now, by relation; reads its devices alone."""
    times = trim_times(values, business_id, now)
    counted: Counter[str] = Counter()
    for batch in batches(await connection.fetch(*QUERIES.bind("list_devices", business_id=business_id))):
        counted += await before_times(connection, times, *ids_of(batch), "counts")
    return counted


def batches(devices: list[Any]) -> Iterator[list[Any]]:
    """Yield the devices in batches of a fixed size."""
    rest = iter(devices)
    while batch := list(islice(rest, DEVICES_AT_ONCE)):
        yield batch


def ids_of(batch: list[Any]) -> tuple[list[UUID], list[int]]:
    """Return the ids of devices and of their series."""
    return [row["id"] for row in batch], [series_id for row in batch for series_id in row["series_ids"]]
