"""Fresh databases: on the server of DATABASE_URL where that is set, else on an embedded server of their own.

ADMIN_DATABASE_URL names a superuser of the same server where the role of DATABASE_URL is none: it makes and drops the
databases and roles of tests and stops the scheduler. All that is tested runs as the role of DATABASE_URL.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

REAL_SERVER = os.environ.get("DATABASE_URL", "")
ADMIN = os.environ.get("ADMIN_DATABASE_URL", "") or REAL_SERVER


def as_admin(url: str) -> str:
    """Return the URL of the same database for the administrator; the embedded server has one role."""
    return make_url(ADMIN or url).set(database=make_url(url).database).render_as_string(hide_password=False)


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
    owner = make_url(REAL_SERVER).username
    with psycopg.connect(ADMIN, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} OWNER {}")
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(owner or connection.info.user)))
        try:
            yield make_url(REAL_SERVER).set(database=name).render_as_string(hide_password=False)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
