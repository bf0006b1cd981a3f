"""The effects of a change of retention: dropped chunks, bytes and rows by level; data that users lose."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from db.hypertables.policies import DAY, Level
from db.hypertables.values import StorageValues
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "effects.sql")
COUNTED_BYTES = 100_000_000  # counting this much of a relation takes about a second


@dataclass(frozen=True, slots=True)
class Effect:
    """What shorter retention drops of a relation; `share` of its bytes, 0 to 1; times in UTC, None for nothing.

    `exact`: the rows were counted. Otherwise they are estimates of the catalogue, accurate to some percent.
    """

    level: str
    relation: str
    chunks: int
    bytes: int
    rows: int
    share: float
    oldest: datetime | None
    until: datetime | None
    exact: bool


async def find_effects(
    connection: Connection, before: StorageValues, after: StorageValues, at: datetime, *, exact: bool = False
) -> list[Effect]:
    """Return the data that `after` drops at `at` (UTC) and `before` would keep, by relation that loses data.

    Rows are counted if little is dropped, or with `exact`, which reads all rows that would be dropped.
    """
    names = {level.relation: level.name for level in after.levels}
    since, until = ([at - values.drop_after(level) for level in values.levels] for values in (before, after))
    query = QUERIES.bind("doomed_chunks", relations=list(names), after=since, until=until)
    effects = []
    for row in await connection.fetch(*query):
        effect = dict(row)
        about = effect.pop("about_rows")
        counted = exact or about is None or effect["bytes"] <= COUNTED_BYTES
        rows = await _count(connection, effect) if counted else about
        effects.append(Effect(level=names[row["relation"]], rows=rows, exact=counted, **effect))
    return effects


async def _count(connection: Connection, effect: dict[str, Any]) -> int:
    query = QUERIES.bind(f"count_{effect['relation']}", start=effect["oldest"], end=effect["until"])
    counted: int = await connection.fetchval(*query)
    return counted


def describe_losses(before: StorageValues, after: StorageValues, at: datetime) -> Iterator[str]:
    """Yield the visible losses of a change as sentences."""
    for old, new in zip(before.metrics, after.metrics, strict=True):
        if new.keep < old.keep:
            yield _shorter(new, old.keep, after, at)
        elif new.keep > old.keep:
            shortened = f"{new.name} is kept for {new.keep / DAY:g} days instead of {old.keep / DAY:g}"
            yield f"{shortened}; dropped chunks stay lost"
    if after.max_sample_age != before.max_sample_age:
        yield (
            f"samples are accepted until they are {after.max_sample_age / DAY:.3g} days old "
            f"(now {before.max_sample_age / DAY:.3g})"
        )


def _shorter(new: Level, before: timedelta, after: StorageValues, at: datetime) -> str:
    since = f"{at - new.keep:%Y-%m-%d}"
    instead = next((level.name for level in after.metrics if level.keep > new.keep), None)
    gives = f"{instead} gives charts before {since}" if instead else f"charts have nothing before {since}"
    return f"{new.name} is kept for {new.keep / DAY:g} days instead of {before / DAY:g}: {gives}"
