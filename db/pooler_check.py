"""Refuses a connection pooler that distributes a session's statements over several server connections.

A LISTEN, prepared statements and the migrators' lock belong to one session. PgBouncer in session mode keeps it; in
transaction mode each statement may run on another server connection.
"""

import asyncio
from typing import ClassVar

import psycopg

from core.errors import RtsError
from db.pools import DatabaseUnavailableError
from db.server_check import ServerFacts
from db.sql import load_beside

QUERIES = load_beside(__file__, "pooler_check.sql")
PARAMETER = "unsupported startup parameter"
TRIES = 3


class UnsuitablePoolerError(RtsError):
    """The connection pooler runs in a mode without sessions."""

    code: ClassVar[str] = "unsuitable_pooler"
    status: ClassVar[int] = 503


async def check_session(database_url: str, server: ServerFacts) -> None:
    """Run check_pooler beside the event loop, but for the embedded server, which has one session for all."""
    if not server.embedded:
        await asyncio.to_thread(check_pooler, database_url)


def check_pooler(database_url: str) -> None:
    """Raise UnsuitablePoolerError for PgBouncer in transaction or statement mode; blocks for some milliseconds."""
    try:
        with psycopg.connect(database_url, autocommit=True, prepare_threshold=None, connect_timeout=10) as first:
            if server_process(first) != first.info.backend_pid and any(
                moves(first, database_url) for _ in range(TRIES)
            ):
                raise UnsuitablePoolerError(
                    "The connection pooler runs in transaction mode: LISTEN, prepared statements and the lock "
                    "of upgrades need a session. Set pool_mode = session for this database, or connect to PostgreSQL "
                    "directly; docs/platform.md has the settings."
                )
    except psycopg.OperationalError as fault:
        raise explain(str(fault)) or DatabaseUnavailableError(str(fault).strip()) from fault


def moves(first: psycopg.Connection[tuple[int]], database_url: str) -> bool:
    """Return whether the pooler shares the server connection of the open `first`, or gives `first` another one."""
    before = server_process(first)
    with psycopg.connect(database_url, prepare_threshold=None, connect_timeout=10) as second:
        return server_process(second) == before or server_process(first) != before


def server_process(connection: psycopg.Connection[tuple[int]]) -> int:
    """Return the process id of the server that runs this statement."""
    row = connection.execute(QUERIES["which_server"].encode()).fetchone()
    assert row is not None
    return row[0]


def explain(message: str) -> UnsuitablePoolerError | None:
    """Return what to do where a pooler refuses a startup parameter; None for other faults."""
    if PARAMETER not in message:
        return None
    return UnsuitablePoolerError(
        f"The connection pooler refuses our connections ({message.strip().splitlines()[-1]}): set "
        "ignore_startup_parameters = plan_cache_mode, jit, timezone, options and pool_mode = session in "
        "pgbouncer.ini, or connect to PostgreSQL directly; docs/platform.md has the settings."
    )
