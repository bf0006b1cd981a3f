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
from worker.tasks import PeriodicTask, make_tasks

log = logging.getLogger(__name__)

PASS_SECONDS = 5.0
CLOSE_SECONDS = 5.0
SHARE = 8  # one in this many of the server's connections is for tasks that run at the same time
MIN_AT_ONCE = 3  # connections for tasks at the same time, on any server


async def run_worker(settings: Settings, stop: asyncio.Event, clock: Clock = utc_now) -> None:
    """Work until `stop` is set; while the database is unavailable, try again at each pass."""
    tasks = make_tasks(settings)
    pool = asyncpg.create_pool(
        settings.database_url, min_size=0, max_size=len(tasks) + 1, timeout=10, max_inactive_connection_lifetime=60,
        server_settings=SERVER_SETTINGS | {"application_name": "rts-agents worker"},
    )  # fmt: skip
    worker = Worker(tasks)
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

    def __init__(self, tasks: list[PeriodicTask]) -> None:
        self._tasks = tasks
        self.has_session = False  # true once a session was checked: no pooler in transaction mode
        self._last: dict[str, datetime] = {}
        self._running: dict[str, set[asyncio.Task[None]]] = {task.name: set() for task in tasks}
        self._room = asyncio.Semaphore(sum(task.at_once for task in tasks))

    def bound(self, connections: int) -> None:
        """Limit the tasks that run at the same time to a share of the server's `connections`; the others wait."""
        self._room = asyncio.Semaphore(at_once(connections))

    def due(self, now: datetime, *, scheduler: bool) -> list[PeriodicTask]:
        """Return the due tasks; some are only needed with, others only without TimescaleDB's `scheduler`."""
        return [
            task
            for task in self._tasks
            if task.scheduler in (None, scheduler)
            and len(self._running[task.name]) < task.at_once
            and (task.name not in self._last or now - self._last[task.name] >= task.every)
        ]

    def begin_due(self, pool: asyncpg.Pool, now: datetime, *, scheduler: bool) -> None:
        """Start each due task, but none whose previous run has not ended."""
        for task in self.due(now, scheduler=scheduler):
            self._last[task.name] = now
            running = asyncio.create_task(run_apart(pool, self._room, task, now), name=task.name)
            self._running[task.name].add(running)
            running.add_done_callback(self._running[task.name].discard)

    async def do_due(self, connection: Connection, now: datetime, *, scheduler: bool) -> None:
        """Run the due tasks one after the other on one connection, for tests and tools."""
        for task in self.due(now, scheduler=scheduler):
            self._last[task.name] = now
            await run_noted(connection, task, now)

    async def end(self) -> None:
        """Cancel the running tasks; their transactions are rolled back."""
        running = [run for runs in self._running.values() for run in runs]
        for run in running:
            run.cancel()
        if running:
            await asyncio.wait(running, timeout=CLOSE_SECONDS)


def at_once(connections: int) -> int:
    """Return how many tasks may run at the same time on a server with this number of connections."""
    return max(MIN_AT_ONCE, connections // SHARE)


async def run_apart(pool: asyncpg.Pool, room: asyncio.Semaphore, task: PeriodicTask, now: datetime) -> None:
    """Run a task on its own connection, when there is room; never raises."""
    try:
        async with room, pool.acquire(timeout=10) as connection:
            await run_noted(connection, task, now)
    except CONNECTION_ERRORS as away:
        log.warning("%s: the database cannot be reached (%s)", task.name, away)
    except Exception:
        log.exception("%s failed", task.name)


async def run_noted(connection: Connection, task: PeriodicTask, now: datetime) -> None:
    """Run a task within its deadline and record its outcome. Raises only if the connection is lost."""
    fault: Exception | str | None = None
    try:
        async with asyncio.timeout(task.seconds) as limit:
            await task.do(connection, now)
    except Exception as error:
        if connection.is_closed():
            raise
        fault = f"not done in {task.seconds:g} s" if limit.expired() else error
        log.error("%s failed: %s", task.name, fault, exc_info=error if not limit.expired() else None)
    with suppress(asyncpg.PostgresError):  # the schema may be older than this table
        kept = await Isolated(connection, "worker", now).read()
        await (kept.forget(task.name) if fault is None else kept.note(task.name, fault))


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most `seconds`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
