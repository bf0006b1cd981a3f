"""How Alembic runs here: one transaction, short lock waits, one migrator at a time, a version table of our own."""

from alembic import context
from sqlalchemy import create_engine, text

from db.migrations.run import VERSION_TABLE, sqlalchemy_url

# A migration that can't get its lock gives up instead of queueing all traffic behind it.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"
ONE_MIGRATOR = "SELECT pg_advisory_xact_lock(hashtext('rts-agents migrations'))"


def run_migrations() -> None:
    """Run the wanted revisions on the database whose URL is in the config."""
    engine = create_engine(sqlalchemy_url(context.config.get_main_option("sqlalchemy.url") or ""))
    try:
        with engine.connect() as connection:
            context.configure(connection=connection, version_table=VERSION_TABLE)
            with context.begin_transaction():
                connection.execute(text(LOCK_TIMEOUT))
                connection.execute(text(ONE_MIGRATOR))
                context.run_migrations()
    finally:
        engine.dispose()


run_migrations()
