"""How Alembic runs here: one transaction a revision, short waits for locks, one migrator at a time."""

from alembic import context
from sqlalchemy import Connection, create_engine, text

from core.database_urls import with_setting
from db.migrations.urls import VERSION_TABLE, sqlalchemy_url
from db.sql import load_beside

QUERIES = load_beside(__file__, "env.sql")
# A revision that waits for a lock holds up everybody who comes after it: so it gives up sooner than a person notices,
# and run.py tries again.
LOCK_TIMEOUT = "800ms"


def run_migrations() -> None:
    """Run the wanted revisions on the database whose URL is in the config."""
    url = with_setting(context.config.get_main_option("sqlalchemy.url") or "", "lock_timeout", LOCK_TIMEOUT)
    engine = create_engine(sqlalchemy_url(url))
    try:
        with engine.connect() as connection:
            be_the_only_migrator(connection)
            context.configure(connection=connection, version_table=VERSION_TABLE, transaction_per_migration=True)
            with context.begin_transaction():
                context.run_migrations()
            declare_served_code(connection)
    finally:
        engine.dispose()


def declare_served_code(connection: Connection) -> None:
    """Write which code the schema serves: `serves` of its newest revision, by default only code of that revision."""
    reached = context.get_context().get_current_revision()
    script = context.script.get_revision(reached) if reached else None
    if script:
        serves = getattr(script.module, "serves", script.revision)
        statement = connection.scalar(text(QUERIES["compose_serves"]), {"serves": f"serves {serves}"})
        connection.execute(text(statement or ""))
        connection.commit()


def be_the_only_migrator(connection: Connection) -> None:
    """Hold the migrators' lock until the connection ends, and make the schema of RTS_SCHEMA where it is missing."""
    connection.execute(text(QUERIES["one_migrator"]))
    missing = connection.scalar(text(QUERIES["missing_schema"]))
    if missing:
        connection.execute(text(missing))
    connection.commit()


run_migrations()
