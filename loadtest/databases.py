"""A fresh database for one run: a new one on DATABASE_URL's server, or an embedded one."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from core.settings import get_settings
from db.environment import confirm_target
from embedded.server import EmbeddedServer


@dataclass(frozen=True, slots=True)
class LoadDatabase:
    """A database: its URL, its kind (`embedded` or `server`), and the embedded server's process id."""

    dsn: str
    kind: str
    pid: int | None = None


@contextmanager
def fresh_database() -> Iterator[LoadDatabase]:
    """Yield an empty database; it is gone afterwards.

    Raises ProductionDatabaseError where DATABASE_URL is marked production: its server would carry the load.
    """
    url = os.environ.get("DATABASE_URL")
    if not url:
        with TemporaryDirectory() as directory, EmbeddedServer(Path(directory) / "timescaledb") as server:
            yield LoadDatabase(server.dsn, "embedded", server.pid)
        return
    confirm_target(url, "", get_settings().environment)
    name = f"rts_bench_{uuid4().hex[:8]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield LoadDatabase(make_url(url).set(database=name).render_as_string(hide_password=False), "server")
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
