"""The platform's tables where absent, the seven tables, the hypertable, three rollup levels, all policies.

The foreign keys lock the platform's tables against writes until the commit: so the hypertables, which take longest,
come first.

A SQL file that a released revision has run is never changed: a later change is a new file and a new revision.

Locks at 5 million samples: there are none yet. The platform's writes waited 14 ms, 0.2 s in all.
"""

from pathlib import Path

from db.migrations.statements import MADE_HERE, exists, is_made_here, run, run_file
from db.migrations.storage import Storage, set_storage
from db.sql import load_queries

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

DB = Path(__file__).parents[2]
PLATFORM = DB / "migrations" / "sql" / "platform.sql"
OWN = (DB / "migrations" / "sql" / "agents.sql", DB / "migrations" / "sql" / "alerts.sql")
HYPERTABLES = tuple(
    DB / "hypertables" / f"{name}.sql"
    for name in (
        "counter_increase",
        "agent_metrics",
        "agent_metrics_5m",
        "agent_metrics_1h",
        "agent_metrics_1d",
    )
)
STORAGE = (
    Storage("agent_metrics", chunk="1 day", columnstore_after="2 days", keep="30 days"),
    Storage("agent_metrics_5m", chunk="7 days", columnstore_after="14 days", keep="90 days",
            refresh=("28 days", "10 minutes", "5 minutes")),
    Storage("agent_metrics_1h", chunk="30 days", columnstore_after="60 days", keep="730 days",
            refresh=("29 days", "1 hour", "30 minutes")),
    Storage("agent_metrics_1d", chunk="365 days", columnstore_after="730 days", keep="3650 days",
            refresh=("31 days", "1 day", "6 hours")),
)  # fmt: skip


def upgrade() -> None:
    """Create what is absent of the platform's tables, then ours, then the storage policies."""
    run("CREATE EXTENSION IF NOT EXISTS timescaledb SCHEMA public")
    for table, statement in load_queries(PLATFORM).items():
        if not exists(table):
            run(statement)
            run(f"COMMENT ON TABLE {table} IS '{MADE_HERE}'")
    for file in HYPERTABLES:
        run_file(file)
    set_storage(STORAGE)
    for file in OWN:
        run_file(file)


def downgrade() -> None:
    """Drop ours, and of the platform's tables only those that upgrade made."""
    for level in reversed(STORAGE[1:]):
        run(f"DROP MATERIALIZED VIEW {level.relation}")
    run("DROP TABLE agent_metrics")
    run("DROP AGGREGATE counter_increase(double precision, double precision, double precision)")
    run("DROP FUNCTION counter_increase_step, counter_increase_total")
    for file in reversed(OWN):
        for table in reversed(load_queries(file)):
            run(f"DROP TABLE {table}")
    for table in reversed(load_queries(PLATFORM)):
        if is_made_here(table):
            run(f"DROP TABLE {table}")
