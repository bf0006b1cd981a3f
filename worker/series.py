"""Maintains the registry of series once an hour: marks gone ones, deletes those without data, counts the others."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from db.hypertables.values import read_values
from db.isolation import Isolated, due_apart
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "series.sql")
STEP_SECONDS = 120.0  # of one statement over all series


async def keep_series(connection: Connection, now: datetime) -> None:
    """Mark series that are no longer sent as gone, delete those without data, count the others.

    A device whose series can't be changed is left out and tried again; a step that fails stops no other step.
    """
    stored = await read_values(connection)
    keep = max(stored.drop_after(level) for level in stored.series)
    steps: dict[str, dict[str, Any]] = {"note_seen": {}, "mark_gone": {}, "forget_gone": {"keep": keep}}
    for name, values in steps.items():
        do = partial(_do, connection, name, values | {"now": now})
        find = partial(QUERIES.bind, "devices_with_series")
        await due_apart(connection, f"series: {name}", now, do, find, STEP_SECONDS)
    isolated = await Isolated(connection, "series", now).read()
    await isolated.attempt("count_live", partial(connection.execute, QUERIES["count_live"]), STEP_SECONDS)
    await isolated.attempt("allow_again", partial(connection.execute, *QUERIES.bind("allow_again", now=now)))


async def _do(connection: Connection, name: str, values: dict[str, Any], only: Sequence[UUID] | None) -> int:
    await connection.execute(*QUERIES.bind(name, **values, only=only))
    return 0
