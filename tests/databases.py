"""Fresh databases: on the server of DATABASE_URL where that is set, else on an embedded server of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

REAL_SERVER = os.environ.get("DATABASE_URL", "")


@contextmanager
def fresh_database(directory: Path) -> Iterator[str]:
    """Yield the URL of an empty database; it is gone afterwards."""
    if REAL_SERVER:
        with _created_database() as url:
            yield url
    else:
        from embedded.server import EmbeddedServer

        with EmbeddedServer(directory / "timescaledb") as server:
            yield server.dsn


@contextmanager
def _created_database() -> Iterator[str]:
    name = f"rts_test_{uuid4().hex[:12]}"
    with psycopg.connect(REAL_SERVER, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield make_url(REAL_SERVER).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
