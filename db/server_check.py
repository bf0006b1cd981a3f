"""Checks at start whether this server can run the product; the error names what to install."""

import re
from dataclasses import dataclass
from typing import ClassVar

from core.errors import RtsError
from db.pools import Connection
from db.sql import load_beside

QUERIES = load_beside(__file__, "server_check.sql")

MINIMUM_POSTGRES = 16
MINIMUM_TIMESCALEDB = (2, 28)
# The embedded build is TimescaleDB 2.23.0-dev; what the product needs is tested on it.
MINIMUM_EMBEDDED = (2, 23)


class UnsuitableServerError(RtsError):
    """This database server cannot run RTS Agent Monitoring."""

    code: ClassVar[str] = "unsuitable_database_server"
    status: ClassVar[int] = 503


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """The server's version, extensions and settings."""

    version_text: str
    postgres: int  # 170005 for 17.5
    timescaledb: str | None  # installed version, or None
    available: str | None  # version that CREATE EXTENSION would install, or None
    license: str | None  # 'timescale' for the Community edition
    scheduler: bool  # TimescaleDB runs its policies by itself
    standby: bool  # a replica, which takes no writes
    connections: int = 100  # max_connections

    @property
    def embedded(self) -> bool:
        """True for the WebAssembly build in `embedded/`."""
        return "emcc" in self.version_text


def check_writable(server: ServerFacts) -> None:
    """Raise UnsuitableServerError for a standby: charts may read it, nothing else runs on it."""
    if server.standby:
        raise UnsuitableServerError(
            "This server is a read-only standby: uploads, the worker and upgrades need the primary in DATABASE_URL. "
            "Name the standby in RTS_READ_DATABASE_URL: charts read it."
        )


async def describe_server(connection: Connection) -> ServerFacts:
    """Ask the server for its versions and licence; reads only, needs no rights."""
    row = await connection.fetchrow(QUERIES["describe_server"])
    assert row is not None
    return ServerFacts(**dict(row))


def check_server(server: ServerFacts) -> None:
    """Raise UnsuitableServerError, with what to do, unless the product can run on `server`."""
    fault = find_fault(server)
    if fault:
        raise UnsuitableServerError(fault)


def find_fault(server: ServerFacts) -> str | None:
    """Return the fault of `server` with the next step; None if the product can run on it."""
    if server.postgres < MINIMUM_POSTGRES * 10_000:
        return f"PostgreSQL 16, 17 or 18 is needed, this is {server.postgres // 10_000}: move to a newer server."
    if server.timescaledb is None:
        return _missing_extension(server)
    if server.license != "timescale":
        return (
            "This TimescaleDB is the Apache-only build, without columnstore and without policies: "
            "install the Community edition (package timescaledb-2-postgresql-NN, not the -oss one; image "
            "timescale/timescaledb, not the -oss tag), and set timescaledb.license = 'timescale'."
        )
    minimum = MINIMUM_EMBEDDED if server.embedded else MINIMUM_TIMESCALEDB
    if parse_version(server.timescaledb) < minimum:
        required = ".".join(map(str, minimum))
        return (
            f"TimescaleDB {required} or newer is needed, {server.timescaledb} is installed: upgrade the package, "
            "restart, then run ALTER EXTENSION timescaledb UPDATE as the first command of a new session."
        )
    return None


def _missing_extension(server: ServerFacts) -> str:
    if server.available is None:
        return (
            "TimescaleDB is not on this server: install the Community edition for its PostgreSQL version, put "
            "timescaledb into shared_preload_libraries and restart, or use docker-compose.timescale.yml."
        )
    return (
        f"TimescaleDB {server.available} is on this server but not in this database: run "
        "CREATE EXTENSION timescaledb; there as a superuser (shared_preload_libraries must name timescaledb), or "
        "`rts-agents db roles --apply`."
    )


def parse_version(text: str) -> tuple[int, int]:
    """Return (major, minor) of a version such as `2.28.5` or `2.23.0-dev`."""
    major, minor = re.findall(r"\d+", text)[:2]
    return int(major), int(minor)
