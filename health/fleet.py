"""Reads the health of the whole fleet from the database, for metrics (`exposition.py`) and for people.

It uses a connection outside the API's pool, so it also works while that pool is exhausted.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime

import asyncpg
import msgspec

from core.clock import utc_now
from db.pools import CONNECTION_ERRORS, Connection
from db.server_faults import ServerState, read_server_state
from db.sql import load_beside
from health.ttl_cache import TtlCache
from rollups.drift import Drift, find_drift
from rollups.status import LevelStatus, read_series_status, read_status

QUERIES = load_beside(__file__, "fleet.sql")
log = logging.getLogger(__name__)

KEEP_SECONDS = 15.0  # a scrape, or four balancers that scrape, cost one reading in this time
READ_SECONDS = 5.0  # Prometheus gives up after 10


class WorkQueue(msgspec.Struct):
    """Work that was stored with an alert and is done later."""

    waiting: int
    failing: int  # of these, failed at least once
    due_since: datetime | None


class AlertPass(msgspec.Struct):
    """The last evaluation of all alert rules; None where there was none."""

    at: datetime | None
    seconds: float | None
    statements: int | None
    rules: int | None


class DatabaseHealth(msgspec.Struct):
    """The server and this database on it; sizes in bytes."""

    postgres: int
    timescaledb: str | None
    bytes: int
    connections: int
    connections_max: int  # of ordinary roles
    oldest_transaction_at: datetime | None
    freeze_age: int  # transactions since the oldest row was frozen; PostgreSQL stops at 2 thousand million


class FleetFacts(msgspec.Struct):
    """The document of the query `describe_fleet`."""

    devices: dict[str, int]  # by status
    open_alerts: dict[str, int]  # by severity
    commands: dict[str, int]  # that have not ended, by status
    commands_due_since: datetime | None
    tickets: WorkQueue
    notifications: WorkQueue
    alert_pass: AlertPass
    database: DatabaseHealth
    tickets_put_off: dict[str, int] = {}  # tried in vain, by reason
    backups: dict[str, datetime] = {}  # the newest good one, by kind: backup, drill
    isolated_faults: dict[str, int] = {}  # by the worker's task: what fails alone and is left out for a while


class FleetHealth(msgspec.Struct):
    """The health of the fleet and the time of reading (UTC); `seconds` is the duration of the reading."""

    facts: FleetFacts
    levels: list[LevelStatus]
    at: datetime
    seconds: float
    drifts: list[Drift] = []  # policies that SQL has changed
    server: ServerState | None = None
    series_levels: list[LevelStatus] = []


async def read_fleet(connection: Connection, now: datetime) -> FleetHealth:
    """Read the fleet's health; raises the driver's errors, and asyncpg.UndefinedTableError without our schema."""
    began = time.perf_counter()
    levels = await read_status(connection)
    facts = msgspec.json.decode(await connection.fetchval(*QUERIES.bind("describe_fleet", now=now)), type=FleetFacts)
    drifts = await find_drift(connection, now)
    server = await read_server_state(connection, utc_now())
    series = await read_series_status(connection)
    return FleetHealth(facts, levels, now, time.perf_counter() - began, drifts, server, series)


class FleetReader:
    """Reads the fleet's health at most once in KEEP_SECONDS, whatever the number of callers."""

    def __init__(self, pool: asyncpg.Pool, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock
        self.kept = TtlCache(KEEP_SECONDS, self._read_anew)

    async def read(self) -> FleetHealth | None:
        """Return the newest reading; None when the database can't be read just now."""
        return await self.kept.get()

    async def _read_anew(self) -> FleetHealth | None:
        try:
            async with asyncio.timeout(READ_SECONDS), self._pool.acquire() as connection:
                return await read_fleet(connection, self._clock())
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            log.warning("the fleet's health cannot be read: %r", error)
            return None
