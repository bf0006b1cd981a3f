"""Forecasts of metrics, computed by the worker from the rollups once an hour.

Only devices in the scope of rules with forecast conditions have forecasts. Evaluations read them (`forecast_results`).
"""

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from datetime import datetime

import asyncpg

from alerts.query.term_queries import as_json
from alerts.rules.loader import read_rules
from alerts.rules.terms import Term
from db.hypertables.policies import LEVELS
from db.isolation import Isolated, in_halves
from db.pools import Connection
from db.sql import load_beside
from rollups.history import read_watermarks

QUERIES = load_beside(__file__, "forecasts.sql")
PAIRS_AT_ONCE = 200  # one statement each, so that others come in between

log = logging.getLogger(__name__)


async def update_forecasts(connection: Connection, now: datetime) -> None:
    """Compute the forecast of every metric that a forecast condition of a rule in force uses."""
    terms = await terms_in_force(connection, "forecast")
    pairs = await connection.fetch(*QUERIES.bind("read_pairs", terms=as_json(terms, {}))) if terms else []
    days_until = (await read_watermarks(connection))[LEVELS[3].relation]

    async def write(some: Sequence[asyncpg.Record]) -> None:
        devices, metrics = [row["device_id"] for row in some], [row["metric"] for row in some]
        await connection.execute(
            *QUERIES.bind("write_forecasts", devices=devices, metrics=metrics, now=now, days_until=days_until)
        )

    await each_batch(connection, "forecasts", pairs, write, now)
    await connection.execute(*QUERIES.bind("forget_forecasts", now=now))
    if pairs:
        log.info("computed forecasts of %d metrics of devices", len(pairs))


async def each_batch(
    connection: Connection, task: str, pairs: Sequence[asyncpg.Record],
    write: Callable[[Sequence[asyncpg.Record]], Awaitable[None]], now: datetime,
) -> None:  # fmt: skip
    """Write pairs of device and metric in batches; a pair that fails is postponed and noted."""
    isolated = await Isolated(connection, task, now).read()
    remaining = [row for row in pairs if item_name(row) not in isolated.postponed]
    for batch in batches(remaining):
        for row, error in await in_halves(connection, batch, write):
            await isolated.note(item_name(row), error)
    await isolated.forget_others()


def item_name(row: asyncpg.Record) -> str:
    """Return the name under which a failure of this device's metric is noted."""
    return f"device:{row['device_id']}:{row['metric']}"


async def terms_in_force(connection: Connection, kind: str) -> list[Term]:
    """Return the conditions of one kind of all rules in force."""
    rules = await read_rules(connection)
    terms = [term for row in rules.rows.values() for term in row.rule.terms]
    return [term for term in terms if term.kind == kind]


def batches(pairs: Sequence[asyncpg.Record]) -> Iterator[Sequence[asyncpg.Record]]:
    """Yield pairs of device and metric, PAIRS_AT_ONCE at a time."""
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        yield pairs[start : start + PAIRS_AT_ONCE]
