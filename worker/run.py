"""The loop of the worker process: it starts each task when its interval has passed. Several workers may run.

Each task has its own connection, deadline and outcome: one that hangs or fails does not delay the others. A failure is
logged and stored in `agent_isolated_faults` as an item of the task `worker`; the task runs again after its interval.
"""

import asyncio
import logging
from contextlib import suppress
from datetime import datetime

import asyncpg

from core.clock import Clock, utc_now
from core.errors import RtsError
from core.settings import Settings
from db.isolation import Isolated
from db.pooler_check import check_session
from db.pools import CONNECTION_ERRORS, SERVER_SETTINGS, Connection
from db.schema_check import check_schema
from db.server_check import check_server, check_writable, describe_server
from worker.duties import PeriodicTask, make_duties

log = logging.getLogger(__name__)

PASS_SECONDS = 5.0
CLOSE_SECONDS = 5.0
SHARE = 8  # one in this many of the server's connections is for tasks that run at the same time
MIN_AT_ONCE = 3  # connections for tasks at the same time, on any server


async def run_worker(settings: Settings, stop: asyncio.Event, clock: Clock = utc_now) -> None:
    """Work until `stop` is set; while the database is away, try again at each pass."""
    duties = make_duties(settings)
    pool = asyncpg.create_pool(
        settings.database_url, min_size=0, max_size=len(duties) + 1, timeout=10, max_inactive_connection_lifetime=60,
        server_settings=SERVER_SETTINGS | {"application_name": "rts-agents worker"},
    )  # fmt: skip
    worker = Worker(duties)
    try:
        while not stop.is_set():
            await one_pass(pool, settings.database_url, worker, clock())
            await wait(stop, PASS_SECONDS)
    finally:
        await worker.end()
        pool.terminate()


async def one_pass(pool: asyncpg.Pool, dsn: str, worker: "Worker", now: datetime) -> None:
    """Check the database and its schema, and start the due tasks; never raises."""
    try:
        await pool  # opens it, when it isn't open
        async with pool.acquire(timeout=10) as connection:
            server = await describe_server(connection)
            check_server(server)
            check_writable(server)
            await check_schema(connection)
        if not worker.has_session:
            await check_session(dsn, server)
            worker.has_session = True
            worker.bound(server.connections)
        worker.begin_due(pool, now, scheduler=server.scheduler)
    except CONNECTION_ERRORS as away:
        log.warning("the database cannot be reached (%s): trying again", away)
    except (RtsError, asyncpg.PostgresError) as fault:
        log.error("%s: trying again", fault)
    except Exception:
        log.exception("a pass of the worker failed: trying again")


class Worker:
    """Starts due tasks. Holds the time of the last start of each in this process, and the running ones."""

    def __init__(self, duties: list[PeriodicTask]) -> None:
        self._duties = duties
        self.has_session = False  # true once a session was checked: no pooler in transaction mode
        self._last: dict[str, datetime] = {}
        self._running: dict[str, set[asyncio.Task[None]]] = {duty.name: set() for duty in duties}
        self._room = asyncio.Semaphore(sum(duty.at_once for duty in duties))

    def bound(self, connections: int) -> None:
        """Limit the tasks that run at the same time to a share of the server's `connections`; the others wait."""
        self._room = asyncio.Semaphore(at_once(connections))

    def due(self, now: datetime, *, scheduler: bool) -> list[PeriodicTask]:
        """Return the due tasks; some are only needed with, others only without TimescaleDB's `scheduler`."""
        return [
            duty
            for duty in self._duties
            if duty.scheduler in (None, scheduler)
            and len(self._running[duty.name]) < duty.at_once
            and (duty.name not in self._last or now - self._last[duty.name] >= duty.every)
        ]

    def begin_due(self, pool: asyncpg.Pool, now: datetime, *, scheduler: bool) -> None:
        """Start each due task, but none whose previous run has not ended."""
        for duty in self.due(now, scheduler=scheduler):
            self._last[duty.name] = now
            task = asyncio.create_task(run_apart(pool, self._room, duty, now), name=duty.name)
            self._running[duty.name].add(task)
            task.add_done_callback(self._running[duty.name].discard)

    async def do_due(self, connection: Connection, now: datetime, *, scheduler: bool) -> None:
        """Run the due tasks one after the other on one connection, for tests and tools."""
        for duty in self.due(now, scheduler=scheduler):
            self._last[duty.name] = now
            await run_noted(connection, duty, now)

    async def end(self) -> None:
        """Cancel the running tasks; their transactions are rolled back."""
        tasks = [task for running in self._running.values() for task in running]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=CLOSE_SECONDS)


def at_once(connections: int) -> int:
    """Return how many tasks may run at the same time on a server with this number of connections."""
    return max(MIN_AT_ONCE, connections // SHARE)


async def run_apart(pool: asyncpg.Pool, room: asyncio.Semaphore, duty: PeriodicTask, now: datetime) -> None:
    """Run a task on its own connection, when there is room; never raises."""
    try:
        async with room, pool.acquire(timeout=10) as connection:
            await run_noted(connection, duty, now)
    except CONNECTION_ERRORS as away:
        log.warning("%s: the database cannot be reached (%s)", duty.name, away)
    except Exception:
        log.exception("%s failed", duty.name)


async def run_noted(connection: Connection, duty: PeriodicTask, now: datetime) -> None:
    """Run a task within its deadline and record its outcome. Raises only if the connection is lost."""
    fault: Exception | str | None = None
    try:
        async with asyncio.timeout(duty.seconds) as limit:
            await duty.do(connection, now)
    except Exception as error:
        if connection.is_closed():
            raise
        fault = f"not done in {duty.seconds:g} s" if limit.expired() else error
        log.error("%s failed: %s", duty.name, fault, exc_info=error if not limit.expired() else None)
    with suppress(asyncpg.PostgresError):  # the schema may be older than this table
        kept = await Isolated(connection, "worker", now).read()
        await (kept.forget(duty.name) if fault is None else kept.note(duty.name, fault))


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most `seconds`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
