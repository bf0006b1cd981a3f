"""What a running server holds: opened at start, closed at the end, handed to the routes."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import asyncpg
from fastapi import Request

from agents.keys import KeyFile
from agents.tokens import Tokens
from db.clock import Clock, utc_now
from db.pools import SERVER_SETTINGS, DatabaseAwayError, database_errors, open_pool
from db.rate_limits import CallLimits
from db.schema_check import check_schema
from db.server_check import check_server, describe_server
from db.settings import Settings
from ingest.body import BodyBudget
from ingest.group_commit import GroupCommit
from ingest.upload import Sender, UploadRoute
from ingest.writer import Writer

log = logging.getLogger(__name__)

START_ATTEMPTS = 30  # a database that starts together with the server needs a moment
# Together below the 30 s after which agents hang up: a database that is silent must be told to them (503, Retry-After)
# while they listen, or each gives up in its own time and sends again what may yet be committed.
COPY_TIMEOUT_SECONDS = 20.0
CONNECT_TIMEOUT_SECONDS = 5.0


@dataclass(slots=True)
class Services:
    """Everything that a route may need."""

    settings: Settings
    clock: Clock
    pool: asyncpg.Pool
    tokens: Tokens
    limits: CallLimits
    commits: GroupCommit
    upload: UploadRoute


def services_of(request: Request) -> Services:
    """Return the services of the application that serves `request`."""
    services: Services = request.app.state.services
    return services


@asynccontextmanager
async def open_services(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Services]:
    """Open pool and writer, check the server, and close in the other order: uploads that wait are written first.

    Raises DatabaseAwayError, UnsuitableServerError, SchemaNotMigratedError or KeyFileError.
    """
    tokens = Tokens(KeyFile(settings.keys_file))
    tokens.check()
    pool = await wait_for_pool(settings)
    try:
        async with pool.acquire() as connection:
            check_server(await describe_server(connection))
            await check_schema(connection)
        overlap = timedelta(seconds=settings.token_overlap_seconds)
        writer = Writer(lambda: connect_writer(settings.database_url), clock, overlap)
        commits = GroupCommit(writer.write, settings.max_buffered_samples)
        commits.start()
        limits = CallLimits(
            settings.agent_calls_per_minute, settings.person_calls_per_minute, settings.business_calls_per_minute
        )
        upload = make_upload_route(settings, tokens, limits, commits, clock)
        yield Services(settings, clock, pool, tokens, limits, commits, upload)
        await commits.close()
        await writer.close()
    finally:
        await pool.close()


async def wait_for_pool(settings: Settings) -> asyncpg.Pool:
    """Open the API's pool; tries for half a minute while the database is away."""
    for attempt in range(START_ATTEMPTS):
        try:
            return await open_pool(
                settings.database_url,
                size=settings.pool_size,
                name="api",
                timeout=settings.query_timeout_seconds,
            )
        except DatabaseAwayError as away:
            log.warning("the database can't be reached yet (%s): trying again", away.__cause__)
            if attempt == START_ATTEMPTS - 1:
                raise
        await asyncio.sleep(1)
    raise AssertionError


async def connect_writer(dsn: str) -> asyncpg.Connection:
    """Open the writer's own connection: COPY never waits for a chart's connection."""
    with database_errors():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COPY_TIMEOUT_SECONDS,
            server_settings=SERVER_SETTINGS | {"application_name": "rts-agents ingest"},
        )


def make_upload_route(
    settings: Settings, tokens: Tokens, limits: CallLimits, commits: GroupCommit, clock: Clock
) -> UploadRoute:
    """Put the upload route together: the one place where ingest meets the agents' tokens."""

    def verify(token: str) -> Sender:
        agent = tokens.verify_agent(token)
        return Sender(agent.agent_id, agent.token_hash)

    budget = BodyBudget(settings.max_body_bytes, settings.max_decoding_bytes)
    return UploadRoute(
        verify, limits, commits, budget, settings.max_samples_per_upload, settings.retry_after_seconds, clock
    )
