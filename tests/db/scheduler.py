"""TimescaleDB's own scheduler, in a test that must not meet its jobs."""

import psycopg

from tests.databases import REAL_SERVER, as_admin


def stop_scheduler(url: str) -> None:
    """Make the extension in an empty database and stop its scheduler; the embedded server has none."""
    if REAL_SERVER:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        with psycopg.connect(as_admin(url), autocommit=True) as connection:
            connection.execute("SELECT _timescaledb_functions.stop_background_workers()")
