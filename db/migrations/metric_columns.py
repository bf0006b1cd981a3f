"""What a revision calls to add a gauge to `agent_metrics` and its three rollup levels, or to take one away.

A continuous aggregate can't get a column, so each level is made anew beside the old one, filled from it and swapped in,
with the policies and grants of the old one. Uploads go on meanwhile; charts wait for the swap. Copying takes about as
long as reading the rollups once. Everything is read from the database, so a revision means the same for ever.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from alembic import op
from sqlalchemy import text

from db.migrations.statements import run
from db.migrations.storage import Storage, set_storage
from db.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("metric_columns.sql"))
TEMPLATE = load_queries(Path(__file__).with_name("rollup.sql"))
NOT_METRICS = frozenset({"agent_device_id", "collected_at", "received_at", "raw_metrics"})


class RollupLevel(NamedTuple):
    """One rollup of `agent_metrics`."""

    relation: str
    source: str
    width: str


LEVELS = (
    RollupLevel("agent_metrics_5m", "agent_metrics", "5 minutes"),
    RollupLevel("agent_metrics_1h", "agent_metrics_5m", "1 hour"),
    RollupLevel("agent_metrics_1d", "agent_metrics_1h", "1 day"),
)


def add_gauge(name: str, *, whole: bool = False) -> None:
    """Add a gauge: a column of samples (bigint if `whole`), its sum, count, min and max in each level.

    Runs in three steps, each of which may be run again: the column, the levels in one transaction, the first refresh.
    """
    with op.get_context().autocommit_block():  # uploads must not wait for the copy
        run(f"ALTER TABLE agent_metrics ADD COLUMN IF NOT EXISTS {name} {'bigint' if whole else 'double precision'}")
    if f"{name}_sum" not in columns_of(LEVELS[-1].relation):
        rebuild_levels(columns_of("agent_metrics"))
    refresh_levels()


def drop_gauge(name: str) -> None:
    """Take a gauge away, with its values."""
    columns = columns_of("agent_metrics")
    columns.pop(name, None)
    rebuild_levels(columns)
    run(f"ALTER TABLE agent_metrics DROP COLUMN IF EXISTS {name}")
    refresh_levels()


def rebuild_levels(columns: dict[str, str]) -> None:
    """Make each level anew for these columns of `agent_metrics`, and fill it from the level as it was."""
    counters = {name for name in columns if f"{name}_increase" in columns_of(LEVELS[0].relation)}
    storage = tuple(storage_of(level.relation) for level in LEVELS)
    for level in LEVELS:
        run(f"ALTER INDEX {schema_behind(level)}.{level.relation}_by_device RENAME TO {level.relation}_by_device_old")
        run(f"ALTER MATERIALIZED VIEW {level.relation} RENAME TO {level.relation}_old")
    for level in LEVELS:
        create_level(level, columns, counters)
        kept = ", ".join(name for name in columns_of(f"{level.relation}_old") if name in columns_of(level.relation))
        run(fill(TEMPLATE["copy"], {"LEVEL": level.relation, "BEHIND": behind(level.relation), "COLUMNS": kept}))
        for (grant,) in fetch("grants_of", relation=f"{level.relation}_old", to=level.relation):
            run(grant)
    for level in reversed(LEVELS):
        run(f"DROP MATERIALIZED VIEW {level.relation}_old")
    set_storage(storage)
    for level in LEVELS:
        fetch("remove_second_refresh", relation=level.relation)


def create_level(level: RollupLevel, columns: dict[str, str], counters: set[str]) -> None:
    """Create one level, empty, with its index and columnstore."""
    is_first = level.source == "agent_metrics"
    filled = {
        "LEVEL": level.relation,
        "SOURCE": level.source,
        "WIDTH": level.width,
        "TIME": "collected_at" if is_first else "bucket",
        "SAMPLES": "count(*)" if is_first else "sum(sample_count)::bigint",
        "COLUMNS": ", ".join(parts_of(columns, counters, "samples" if is_first else "buckets")),
    }
    for statement in ("level", "index", "columnstore"):
        run(fill(TEMPLATE[statement], filled))


def parts_of(columns: dict[str, str], counters: set[str], of: str) -> Iterator[str]:
    """Yield the columns of a level, of one metric after the other."""
    for name, kind in columns.items():
        if name not in NOT_METRICS:
            value = name if kind == "double precision" else f"{name}::double precision"
            part = TEMPLATE[f"{'counter' if name in counters else 'gauge'}_of_{of}"]
            yield fill(part, {"NAME": name, "VALUE": value})


def fill(template: str, values: dict[str, str]) -> str:
    """Return a template with its words in capitals replaced."""
    for word, value in values.items():
        template = template.replace(word, value)
    return template


def refresh_levels() -> None:
    """Run the refresh policies once, outside the transaction: until then a level doesn't say how far it reaches."""
    with op.get_context().autocommit_block():
        for level in LEVELS:
            run(f"CALL run_job({fetch('refresh_job', relation=level.relation)[0][0]})")


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


def schema_behind(level: RollupLevel) -> str:
    """Return the schema in which the index of a level lies."""
    return behind(level.relation).partition(".")[0]


def fetch(query: str, **values: str) -> list[Any]:
    """Return the rows of a named query."""
    return list(op.get_bind().execute(text(QUERIES[query]), values))
