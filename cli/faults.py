"""What an operator reads when a command ends by an error: for the database which one, why, and what to do."""

import socket
from urllib.parse import urlsplit

import asyncpg
import psycopg

from core.errors import RtsError
from db.pools import DatabaseUnavailableError

ENCODED = "In a password, write % as %25, @ as %40, / as %2F, # as %23."
# The cause of a failed connection, and the next step; the first class that fits counts.
NEXT_STEPS: tuple[tuple[type[BaseException], str], ...] = (
    (asyncpg.InvalidCatalogNameError, "Create this database, or correct the name in the URL."),
    (asyncpg.InvalidAuthorizationSpecificationError, f"Correct user and password in the URL. {ENCODED}"),
    (asyncpg.TooManyConnectionsError, "End sessions, or raise max_connections: see pg_stat_activity."),
    (asyncpg.CannotConnectNowError, "The server starts or stops: run the command again in a minute."),
    (asyncpg.InterfaceError, "Correct the URL: postgresql://user:password@host:5432/name."),
    (socket.gaierror, f"Correct the host in the URL. {ENCODED}"),
    (ConnectionRefusedError, "Start the server, or correct host and port in the URL."),
)
OTHERWISE = "Look whether the server runs and accepts connections of this machine (its log, pg_hba.conf)."


RIGHTS = "Use the DATABASE_URL of a role with this right: docs/platform.md lists the roles."
CHECK = "`rts-agents db check` looks for the cause."


def describe_error(error: RtsError, url: str) -> str:
    """Return the message of a known error with its cause; `url` is that of the database, empty where none is set.

    The API's message for an unreachable database is for devices, which send again; here a person reads.
    """
    cause = error.__cause__
    if isinstance(error, DatabaseUnavailableError) and error.message == DatabaseUnavailableError.__doc__:
        return unreachable(url, cause)
    return f"{error.message} ({cause})" if cause and str(cause) not in error.message else error.message


def describe_refusal(error: Exception) -> str:
    """Return the first line of what the database refused, with the next step."""
    message = (str(error).splitlines() or [repr(error)])[0]
    rights = (asyncpg.InsufficientPrivilegeError, psycopg.errors.InsufficientPrivilege)
    refused = isinstance(error, rights) or isinstance(getattr(error, "orig", None), rights)
    return f"{message}. {RIGHTS if refused else CHECK}"


def unreachable(url: str, cause: BaseException | None) -> str:
    """Return the sentences for a connection that failed: its target, the server's reason, the next step."""
    reason = f": {cause}" if cause and str(cause) else ""
    return f"The database {describe_url(url)} cannot be reached{reason}. {next_step(cause)}"


def next_step(cause: BaseException | None) -> str:
    """Return what to do about the cause of a failed connection."""
    return next((step for kind, step in NEXT_STEPS if isinstance(cause, kind)), OTHERWISE)


def describe_url(url: str) -> str:
    """Return user, host and name of a database without the password: `rts@db-1:5432/platform`."""
    parts = urlsplit(url)
    login, at, hosts = parts.netloc.rpartition("@")
    return f"{login.partition(':')[0]}{at}{hosts}{parts.path}"
