"""The loop of the worker process: connect, do what is due, leave. Several workers may run at once.

A duty that fails is logged and tried again after its interval; the others go on. The connection isn't held between
passes, so a database that went away is met as one failed pass.
"""

import asyncio
import logging
from datetime import datetime

import asyncpg

from core.clock import Clock, utc_now
from core.errors import RtsError
from core.settings import Settings
from db.pooler_check import check_session
from db.pools import AWAY, SERVER_SETTINGS, Connection
from db.schema_check import check_schema
from db.server_check import check_server, check_writable, describe_server
from worker.duties import Duty, make_duties

log = logging.getLogger(__name__)

PASS_SECONDS = 5.0


async def run_worker(settings: Settings, stop: asyncio.Event, clock: Clock = utc_now) -> None:
    """Work until `stop` is set; while the database is away, try again at each pass."""
    worker = Worker(make_duties(settings))
    while not stop.is_set():
        try:
            await one_pass(settings.database_url, worker, clock())
        except AWAY as away:
            log.warning("the database can't be reached (%s): trying again", away)
        except (RtsError, asyncpg.PostgresError) as fault:
            log.error("%s: trying again", fault)
        except Exception:
            log.exception("a pass of the worker failed: trying again")
        await wait(stop, PASS_SECONDS)


async def one_pass(dsn: str, worker: "Worker", now: datetime) -> None:
    """Connect, check that this is the database that we know, and do what is due."""
    connection = await asyncpg.connect(
        dsn, timeout=10, server_settings=SERVER_SETTINGS | {"application_name": "rts-agents worker"}
    )
    try:
        server = await describe_server(connection)
        check_server(server)
        check_writable(server)
        if not worker.has_session:
            await check_session(dsn, server)
            worker.has_session = True
        await check_schema(connection)
        await worker.do_due(connection, now, scheduler=server.scheduler)
    finally:
        await connection.close()


class Worker:
    """Remembers when each duty was done last by this process."""

    def __init__(self, duties: list[Duty]) -> None:
        self._duties = duties
        self.has_session = False  # until it was checked that no pooler hands statements around
        self._last: dict[str, datetime] = {}

    async def do_due(self, connection: Connection, now: datetime, *, scheduler: bool) -> None:
        """Do every duty whose interval has passed; those that the server's own scheduler does are left to it."""
        for duty in self._duties:
            last = self._last.get(duty.name)
            if (duty.without_scheduler and scheduler) or (last is not None and now - last < duty.every):
                continue
            self._last[duty.name] = now
            try:
                await duty.do(connection, now)
            except Exception as fault:
                if connection.is_closed():
                    raise
                log.exception("%s failed: %s", duty.name, fault)


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most `seconds`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
