"""Connection pools: opens them, and turns connection errors into DatabaseUnavailableError."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

import asyncpg

from core.errors import RtsError

# Errors of asyncpg and of sockets while the server is stopped, starting, or out of connections.
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.TooManyConnectionsError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InvalidCatalogNameError,  # no such database
    asyncpg.InvalidAuthorizationSpecificationError,  # wrong user or password
)
# Errors of a server that accepts no writes: a standby, a read-only database, a full disk.
NO_WRITES = (asyncpg.ReadOnlySQLTransactionError, asyncpg.DiskFullError)
# Errors of a row on a damaged page, or of a value that cannot be decoded.
DAMAGED = (asyncpg.InternalServerError, asyncpg.DataError)


class DatabaseUnavailableError(RtsError):
    """The database cannot be reached right now: send the request again later."""

    code: ClassVar[str] = "database_unavailable"
    status: ClassVar[int] = 503


# A connection, or one that a pool lent.
Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy
# A pool lends a connection for each statement: statements of others run in between.
Source = Connection | asyncpg.Pool


class PoolerRefusesError(RtsError):
    """The connection pooler refuses a setting of the session: docs/platform.md has its configuration."""

    code: ClassVar[str] = "unsuitable_pooler"
    status: ClassVar[int] = 503


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn a driver's connection errors into DatabaseUnavailableError; the cause is kept."""
    try:
        yield
    except asyncpg.ProtocolViolationError as error:  # PgBouncer; it is no outage, and waiting mends nothing
        if "startup parameter" in str(error):
            raise PoolerRefusesError from error
        raise DatabaseUnavailableError from error
    except CONNECTION_ERRORS as error:
        raise DatabaseUnavailableError from error


# Charts and lookups bind their time range as a parameter: a custom plan lets the planner exclude chunks.
SERVER_SETTINGS = {"timezone": "UTC", "plan_cache_mode": "force_custom_plan", "jit": "off"}


class LentConnection(asyncpg.Connection):
    """A connection of a pool; it goes back without `RESET ALL` and the like, a tenth of a quick answer's time.

    Nothing here sets anything for longer than a transaction; one that is still open is rolled back all the same.
    """

    def get_reset_query(self) -> str:
        """Return nothing to run."""
        return ""


async def open_pool(dsn: str, *, size: int, name: str, timeout: float | None = None) -> asyncpg.Pool:
    """Open a pool of at most `size` connections; the first one is made now, so a bad DSN shows at once.

    `timeout` is the longest wait, in seconds, for one statement. Raises DatabaseUnavailableError.
    """
    with database_errors():
        pool = await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=size,
            command_timeout=timeout,
            server_settings=SERVER_SETTINGS | {"application_name": f"rts-agents {name}"},
            connection_class=LentConnection,
        )
    assert pool is not None
    return pool
