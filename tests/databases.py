"""Databases of tests: on the server of DATABASE_URL where that is set, else on an embedded server of their own.

ADMIN_DATABASE_URL names a superuser of the same server where the role of DATABASE_URL is none: it makes and drops the
databases and roles of tests and stops the scheduler. All that is tested runs as the role of DATABASE_URL.

A template is a database that is made once and copied by every test that needs one: an empty one, and a migrated one on
each kind of platform. On a server it is a database of this run, which the run drops at its end.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from tests.platform.kinds import Kind
from tests.templates import KEPT, build, directory_of_copy, key_of_sources, locked

REAL_SERVER = os.environ.get("DATABASE_URL", "")
ADMIN = os.environ.get("ADMIN_DATABASE_URL", "") or REAL_SERVER
EMPTY = "template0"  # nobody can be connected to it; to template1 TimescaleDB's launcher is, at times
RUN = "RTS_TEST_RUN"  # names this run for its processes, which share the templates


def as_admin(url: str) -> str:
    """Return the URL of the same database for the administrator; the embedded server has one role."""
    return make_url(ADMIN or url).set(database=make_url(url).database).render_as_string(hide_password=False)


@contextmanager
def fresh_database(directory: Path) -> Iterator[str]:
    """Yield the URL of an empty database; it is gone afterwards."""
    with _created_database() if REAL_SERVER else _started_copy(directory, "empty") as url:
        yield url


@contextmanager
def migrated_database(
    directory: Path, kind: Kind = "ours", *, scheduler: bool = False, for_many: bool = False
) -> Iterator[str]:
    """Yield the URL of a database at the newest revision, a copy of the template; it is gone afterwards.

    `scheduler` lets TimescaleDB's own jobs run in it, on a server that has them; `for_many` says that so many tests
    use it that an embedded server's code is worth optimizing.
    """
    if not REAL_SERVER:
        with _started_copy(directory, kind, short_lived=not for_many) as url:
            yield url
        return
    with _created_database(_server_template(kind)) as url:
        workers = "start" if scheduler else "stop"
        with psycopg.connect(as_admin(url), autocommit=True) as connection:
            connection.execute(f"SELECT _timescaledb_functions.{workers}_background_workers()".encode())
        yield url


def begin_run() -> bool:
    """Give this run a name, unless it has one: then this process is a part of it, and the answer is no."""
    if RUN in os.environ:
        return False
    os.environ[RUN] = uuid4().hex[:8]
    return True


def end_run() -> None:
    """Drop the templates of this run."""
    if not REAL_SERVER:
        return
    with psycopg.connect(ADMIN, autocommit=True) as connection:
        names = "SELECT datname FROM pg_database WHERE datname LIKE %s"
        for (name,) in connection.execute(names, [f"rts_test_{os.environ[RUN]}_%"]).fetchall():
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _started_copy(directory: Path, template: Kind | str, *, short_lived: bool = True) -> Iterator[str]:
    from embedded.server import EmbeddedServer

    with (
        directory_of_copy(template, directory) as data,
        EmbeddedServer(data, short_lived=short_lived) as server,
    ):
        yield server.dsn


@contextmanager
def _created_database(template: str = EMPTY) -> Iterator[str]:
    name = f"rts_test_{uuid4().hex[:12]}"
    with psycopg.connect(ADMIN, autocommit=True) as connection:
        _create(connection, name, template)
        try:
            yield _url_of(name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def _create(connection: psycopg.Connection, name: str, template: str = EMPTY) -> None:
    owner = make_url(REAL_SERVER).username or connection.info.user
    create = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
    connection.execute(create.format(*(sql.Identifier(one) for one in (name, owner, template))))


def _url_of(name: str) -> str:
    return make_url(REAL_SERVER).set(database=name).render_as_string(hide_password=False)


def _server_template(kind: Kind) -> str:
    """Return the name of this run's template, which is made where it is missing."""
    name = f"rts_test_{os.environ[RUN]}_{key_of_sources()}_{kind}"
    with locked(KEPT / ".lock"), psycopg.connect(ADMIN, autocommit=True) as connection:
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
            _create(connection, name)
            _fill(_url_of(name), kind)
            # Nobody may be connected to a database that is copied, not even a job.
            close = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false")
            connection.execute(close.format(sql.Identifier(name)))
    return name


def _fill(url: str, kind: Kind) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    with psycopg.connect(as_admin(url), autocommit=True) as connection:
        connection.execute("SELECT _timescaledb_functions.stop_background_workers()")
    build(url, kind)
