"""Make the rollup levels of `agent_metrics` anew: beside the old ones, filled from them, then swapped in.

A continuous aggregate can't get another definition. Everybody reads the old levels while the new ones are filled; only
the swap locks levels and samples, for a moment. An upgrade that was interrupted goes on with what it has copied.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from alembic import op
from psycopg import errors
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from db.migrations.statements import is_recording, run
from db.migrations.storage import QUERIES as STORAGE
from db.migrations.storage import Storage, set_storage
from db.sql import load_queries

HERE = Path(__file__).parent
QUERIES = load_queries(HERE / "rebuild.sql")
# Two forms of a rollup of samples: all parts of each metric, or a value once where a bucket has one sample.
COPIES: Mapping[str, str] = load_queries(HERE / "rollup.sql")
ONCE: Mapping[str, str] = {**COPIES, **load_queries(HERE / "rollup_once.sql")}
# The column that a column repeats in a bucket of one sample.
REPEATED = {
    "_count": "sample_count",
    "_min": "NAME_sum",
    "_max": "NAME_sum",
    "_last": "NAME_first",
    "_last_at": "NAME_first_at",
}

NOT_METRICS = frozenset({"agent_device_id", "collected_at", "received_at", "raw_metrics"})
REFRESHED_AT_ONCE = timedelta(days=7)
LOCK_TRIES = 120  # of LOCK_TIMEOUT (`env.py`) and a second each


class RollupLevel(NamedTuple):
    """One rollup of `agent_metrics`."""

    relation: str
    source: str
    width: str

    @property
    def is_first(self) -> bool:
        """Whether it is made of samples."""
        return self.source == "agent_metrics"

    @property
    def beside(self) -> "RollupLevel":
        """The level that takes its place."""
        source = self.source if self.is_first else f"{self.source}_new"
        return self._replace(relation=f"{self.relation}_new", source=source)


LEVELS = (
    RollupLevel("agent_metrics_5m", "agent_metrics", "5 minutes"),
    RollupLevel("agent_metrics_1h", "agent_metrics_5m", "1 hour"),
    RollupLevel("agent_metrics_1d", "agent_metrics_1h", "1 day"),
)


def rebuild_levels(columns: Mapping[str, str], form: Mapping[str, str] = ONCE) -> None:
    """Make each level anew for these columns of `agent_metrics` (name: type), and fill it from the level as it was.

    Commits what the revision did before; the swap is a part of its next transaction.
    """
    if is_recording():
        return  # no value is lost
    counters = {name for name in columns if f"{name}_increase" in columns_of(LEVELS[0].relation)}
    definitions = {level: definition(level.beside, columns, counters, form) for level in LEVELS}
    with op.get_context().autocommit_block():
        drop_others(definitions)
        for level, statement in definitions.items():
            if comment_of(level.beside) is None:
                patiently(partial(create_level, level, statement, form))
            run("SET lock_timeout = 0")  # nobody waits behind what is locked while it is filled
            fill_level(level, form)
            run("RESET lock_timeout")
    swap_levels()


def definition(level: RollupLevel, columns: Mapping[str, str], counters: set[str], form: Mapping[str, str]) -> str:
    """Return the statement that creates a level."""
    return fill(
        form["level"],
        {
            "LEVEL": level.relation,
            "SOURCE": level.source,
            "WIDTH": level.width,
            "TIME": "collected_at" if level.is_first else "bucket",
            "SAMPLES": "count(*)" if level.is_first else "sum(sample_count)::bigint",
            "COLUMNS": ", ".join(parts_of(columns, counters, form, "samples" if level.is_first else "buckets")),
        },
    )


def parts_of(columns: Mapping[str, str], counters: set[str], form: Mapping[str, str], of: str) -> Iterator[str]:
    """Yield the columns of a level, of one metric after the other."""
    for name, kind in columns.items():
        if name not in NOT_METRICS:
            value = name if kind == "double precision" else f"{name}::double precision"
            part = form[f"{'counter' if name in counters else 'gauge'}_of_{of}"]
            yield fill(part, {"NAME": name, "VALUE": value})


def drop_others(definitions: Mapping[RollupLevel, str]) -> None:
    """Drop levels that another revision left half made."""
    comments = {level: comment_of(level.beside) for level in definitions}
    if any(comments[level] not in (None, mark(statement)) for level, statement in definitions.items()):
        for level in reversed(LEVELS):
            run(f"DROP MATERIALIZED VIEW IF EXISTS {level.beside.relation}")


def create_level(level: RollupLevel, statement: str, form: Mapping[str, str]) -> None:
    """Create the level beside this one, empty, with its index, columnstore and view."""
    new = level.beside.relation
    run(f"DROP MATERIALIZED VIEW IF EXISTS {new}")
    run(statement)
    # PostgreSQL names the index: only a role that may create in TimescaleDB's schema could rename it in the swap.
    run(fill(form["index"], {"LEVEL": new}).replace(f"INDEX {new}_by_device", "INDEX"))
    run(fill(form["columnstore"], {"LEVEL": new}))
    if stores_once(level, form):
        read = ", ".join(fill_repeated(name, form["filled_in"]) for name in columns_of(new))
        run(fill(form["view"], {"LEVEL": new, "BEHIND": behind(new), "COLUMNS": read}))
    chunk = storage_of(level.relation).chunk
    op.get_bind().execute(text(STORAGE["set_chunk_interval"]), {"relation": new, "chunk": chunk})
    run(f"COMMENT ON VIEW {new} IS '{mark(statement)}'")


def fill_level(level: RollupLevel, form: Mapping[str, str]) -> None:
    """Fill the level beside this one: computed where its source has everything, copied before that."""
    new, (start, end, _) = level.beside.relation, storage_of(level.relation).refresh or (None, None, None)
    ((first, last),) = fetch(
        "refreshed_range", relation=level.relation, source=level.source, width=level.width, start=start, end=end
    )
    names = [name for name in columns_of(level.relation) if name in columns_of(new)]
    once = stores_once(level, form)
    values = [fill_repeated(name, form["left_out"]) if once else name for name in names]
    copy = fill(
        QUERIES["copy"],
        {"LEVEL": level.relation, "BEHIND": behind(new), "COLUMNS": ", ".join(names), "VALUES": ", ".join(values)},
    )
    for begins, ends, is_compressed in fetch("chunks_before", behind=behind(level.relation), until=first):
        op.get_bind().execute(text(copy), {"start": begins, "end": ends})
        if is_compressed:
            fetch("convert", behind=behind(new), start=begins, end=ends)
    while first is not None and first < last:
        until = min(first + REFRESHED_AT_ONCE, last)
        op.get_bind().execute(text(QUERIES["refresh"]), {"relation": new, "start": first, "end": until})
        first = until


def stores_once(level: RollupLevel, form: Mapping[str, str]) -> bool:
    """Return whether a level stores a value once, and a view fills in what it repeats."""
    return level.is_first and "view" in form


def fill_repeated(name: str, template: str) -> str:
    """Return the template for a column that repeats another, and the column itself for any other."""
    for part, same in REPEATED.items():
        if name.endswith(part) and name != same:
            return fill(template, {"COLUMN": name, "SAME": same.replace("NAME", name.removesuffix(part))})
    return name


def swap_levels() -> None:
    """Drop the levels and give their names, grants and policies to those beside them."""
    patiently(lock_levels)
    storage = tuple(storage_of(level.relation) for level in LEVELS)
    grants = [grant for level in LEVELS for (grant,) in fetch("grants_of", relation=level.relation)]
    for level in reversed(LEVELS):
        run(f"DROP MATERIALIZED VIEW {level.relation}")
    for level in LEVELS:
        run(f"ALTER MATERIALIZED VIEW {level.beside.relation} RENAME TO {level.relation}")
        run(f"COMMENT ON VIEW {level.relation} IS NULL")
    for grant in grants:
        run(grant)
    set_storage(storage)
    for level in LEVELS:
        fetch("remove_second_refresh", relation=level.relation)


def lock_levels() -> None:
    """Lock all that a dropped level locks; gives up what it has for as long as it has not all of it."""
    with op.get_bind().begin_nested():
        levels = ", ".join(level.relation for level in LEVELS)
        run(f"LOCK TABLE ONLY agent_metrics, {levels} IN ACCESS EXCLUSIVE MODE")


def patiently(work: Callable[[], None]) -> None:
    """Do what needs locks, again while they can't be had at once: what waits behind it goes first."""
    for tries_left in range(LOCK_TRIES, -1, -1):
        try:
            work()
            break
        except OperationalError as fault:
            if not isinstance(fault.orig, errors.LockNotAvailable | errors.DeadlockDetected) or not tries_left:
                raise
            time.sleep(1)


def fill(template: str, values: Mapping[str, str]) -> str:
    """Return a template with its words in capitals replaced."""
    for word, value in values.items():
        template = template.replace(word, value)
    return template


def mark(statement: str) -> str:
    """Return the comment of a level that is being made by a statement."""
    return f"in the making: {sha256(statement.encode()).hexdigest()[:16]}"


def comment_of(level: RollupLevel) -> str | None:
    """Return the comment of a level; None where it is missing or was not finished being created."""
    comment: str | None = fetch("comment_of", relation=level.relation)[0][0]
    return comment


def columns_of(relation: str) -> dict[str, str]:
    """Return the columns of a relation and their types."""
    return {row.name: row.type for row in fetch("columns_of", relation=relation)}


def storage_of(relation: str) -> Storage:
    """Return the policies that a level has."""
    ((chunk, after, keep, start, end, every),) = fetch("storage_of", relation=relation)
    return Storage(relation, chunk=chunk, columnstore_after=after, keep=keep, refresh=(start, end, every))


def behind(relation: str) -> str:
    """Return the hypertable behind a level."""
    return str(fetch("behind", relation=relation)[0][0])


def fetch(query: str, **values: Any) -> list[Any]:
    """Return the rows of a named query."""
    return list(op.get_bind().execute(text(QUERIES[query]), values))
