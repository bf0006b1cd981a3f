"""The worker process: runs due policies where the server has no scheduler, and watches freshness everywhere."""

import asyncio
import logging

import asyncpg

from db.clock import utc_now
from db.errors import RtsError
from db.pools import AWAY, SERVER_SETTINGS
from db.schema_check import check_schema
from db.server_check import check_server, describe_server
from db.sql import load_beside
from rollups.refresh import PolicyRunner
from rollups.status import read_status

QUERIES = load_beside(__file__)
log = logging.getLogger(__name__)

PASS_SECONDS = 5.0
WATCH_EVERY_PASSES = 60
CLEAN_EVERY_PASSES = 360  # half an hour: the embedded server has no autovacuum either


async def run_worker(dsn: str, stop: asyncio.Event) -> None:
    """Work until `stop` is set; while the database is away, try again at each pass."""
    runner = PolicyRunner()
    passes = 0
    while not stop.is_set():
        try:
            await one_pass(dsn, runner, passes)
            passes += 1
        except AWAY as away:
            log.warning("the database can't be reached (%s): trying again", away)
        except (RtsError, asyncpg.PostgresError) as fault:
            log.error("%s: trying again", fault)
        await wait(stop, PASS_SECONDS)


async def one_pass(dsn: str, runner: PolicyRunner, passes: int) -> None:
    """Connect, run what is due, and say what is stale; the connection is not held between passes."""
    connection = await asyncpg.connect(
        dsn, timeout=10, server_settings=SERVER_SETTINGS | {"application_name": "rts-agents worker"}
    )
    try:
        server = await describe_server(connection)
        check_server(server)
        await check_schema(connection)
        if not server.scheduler:
            for job in await runner.run_due(connection, utc_now()):
                log.info("ran %s of %s", job.procedure, job.relation)
            if passes % CLEAN_EVERY_PASSES == 0:
                await connection.execute(QUERIES["clean_up"])
        if passes % WATCH_EVERY_PASSES == 0:
            for fault in [fault for level in await read_status(connection) for fault in level.faults(utc_now())]:
                log.warning(fault)
    finally:
        await connection.close()


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait for `stop`, at most `seconds`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
