"""The services of a running server: opened at start, closed at the end, passed to the routes."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count

import asyncpg
from fastapi import Request

from api.bodies import AgentBodies
from api.direct_uploads import DirectUploadRoute
from api.foreign_uploads import ForeignUploads
from api.large_turns import LargeTurns
from api.quotas import Quotas
from api.rate_limits import CallLimits
from api.refusals import Refusals, writing
from api.server.body_budget import BodyBudget
from api.server.body_pace import PaceRule
from api.server.chart_reader import ChartReader
from api.server.connections import HEALTH, WRITERS, check_connections
from api.server.readiness import Readiness
from api.uploads import UploadRoute
from api.web_turns import WebTurns
from auth.keys import KeyFile
from auth.people import People
from auth.tokens import PersonRules, Sender, Tokens
from core.access import RoleTable
from core.clock import Clock, utc_now
from core.errors import RtsError
from core.settings import Settings
from db.hypertables.values import CurrentValues
from db.pooler_check import check_session
from db.pools import SERVER_SETTINGS, DatabaseUnavailableError, database_errors, open_pool
from db.schema_check import check_schema
from db.server_check import check_server, describe_server
from devices.devices import check_agent
from devices.gateway_hosts import GatewayHosts
from devices.refused_calls import RefusedCalls
from devices.sensitive_reads import SensitiveReads
from health.fleet import READ_SECONDS, FleetReader
from health.process import ThisProcess
from ingest.group_commit import GroupCommit
from ingest.turns import NewestOwners
from ingest.writer import Writer
from protocols.mapping import read_mapping

log = logging.getLogger(__name__)

BODY_SIZE = "rts.body_size"  # in the scope of a request whose body was read
START_ATTEMPTS = 30  # a database that starts together with the server needs a moment
# The writer's statements have one good plan each, by primary key, and to plan touch_devices takes 1.7 ms: as long as to
# run it for 40 devices.
WRITER_SETTINGS = {"application_name": "rts-agents ingest", "plan_cache_mode": "force_generic_plan"}
# Together below the 30 s after which agents hang up: an unavailable database must become a 503 with Retry-After before
# that, or agents give up and send samples again that may yet be committed.
COPY_TIMEOUT_SECONDS = 20.0
CONNECT_TIMEOUT_SECONDS = 5.0


@dataclass(slots=True)
class Services:
    """The services of one server process: pools, group commit, tokens, limits, caches."""

    settings: Settings
    clock: Clock
    pool: asyncpg.Pool
    charts: ChartReader
    tokens: Tokens
    people: People
    roles: RoleTable
    limits: CallLimits
    quotas: Quotas
    commits: GroupCommit
    upload: UploadRoute
    direct: DirectUploadRoute
    turns: LargeTurns
    foreign: ForeignUploads
    gateways: GatewayHosts
    budget: BodyBudget
    pace: PaceRule
    process: ThisProcess
    readiness: Readiness
    fleet: FleetReader
    refusals: Refusals
    reads: SensitiveReads
    storage: CurrentValues
    web_turns: WebTurns


def get_services(request: Request) -> Services:
    """Return the services of the application that serves `request`."""
    services: Services = request.app.state.services
    return services


def body_size(request: Request) -> int:
    """Return the size in bytes of the body that was read, 0 without one."""
    size: int = request.scope.get(BODY_SIZE, 0)
    return size


@asynccontextmanager
async def open_services(
    settings: Settings, clock: Clock = utc_now, process: ThisProcess | None = None
) -> AsyncIterator[Services]:
    """Open pool and writer, check the server, and close in reverse order: waiting uploads are written first.

    Raises DatabaseUnavailableError, UnsuitableServerError, SchemaNotMigratedError, TooManyConnectionsError or
    KeyFileError.
    """
    rules = PersonRules(timedelta(hours=settings.person_token_hours), settings.claims_required)
    tokens = Tokens(KeyFile(settings.keys_file), rules)
    tokens.check()
    process = process or ThisProcess()
    tally = process.counts.uploads
    async with AsyncExitStack() as stack:
        pool = await wait_for_pool(settings, patient=process.has_siblings)
        stack.push_async_callback(pool.close)
        health = await open_pool(settings.database_url, size=HEALTH, name="health", timeout=READ_SECONDS)
        stack.push_async_callback(health.close)
        storage = CurrentValues(health)
        stack.push_async_callback(storage.close)
        await storage.start()
        charts = ChartReader(
            pool, storage, settings.read_database_url, settings.pool_size, settings.query_timeout_seconds
        )  # fmt: skip
        stack.push_async_callback(charts.close)
        small_owners = NewestOwners()
        writer, beside = (
            Writer(
                lambda: connect_writer(settings.database_url), clock, token_overlap(settings), tally,
                max_services=settings.device_services, others_wait=small_owners.is_anybody_there,
            )
            for _ in range(WRITERS)
        )  # fmt: skip
        stack.push_async_callback(writer.close)
        stack.push_async_callback(beside.close)
        commits = GroupCommit(writer.write, settings.max_buffered_samples, tally, beside.write, small_owners)
        commits.start()
        stack.push_async_callback(commits.close)
        refused = RefusedCalls(settings.audit_refusals_per_hour, clock)
        await stack.enter_async_context(writing(refused, pool))
        refusals = Refusals(refused, tokens)
        limits, budget = make_limits(settings), BodyBudget(settings.max_body_bytes, settings.max_decoding_bytes)
        quotas = Quotas(settings, settings.workers, limits.business_of, process.counts.web.quota_refusals)
        pace = PaceRule(settings.body_seconds, settings.body_pause_seconds, settings.body_bytes_per_second)
        gateways = GatewayHosts(pool, clock)
        bodies = AgentBodies(budget, pace, limits, token_check(pool, clock, gateways))
        turns = LargeTurns(small_owners.is_there_another, wait_for_room=commits.wait_for_room)
        upload = UploadRoute(
            tokens.verify_agent, limits, commits, bodies, settings.max_samples_per_upload, settings.retry_after_seconds,
            clock, tally, refusals.note, storage.max_sample_age, quotas, turns,
        )  # fmt: skip
        direct = DirectUploadRoute(
            tokens.verify_agent, limits, commits, bodies, settings.max_samples_per_upload, settings.retry_after_seconds,
            clock, tally, storage.max_sample_age, quotas,
        )  # fmt: skip
        foreign = ForeignUploads(
            tokens.verify_sender, limits, commits, bodies, settings.max_samples_per_upload,
            settings.retry_after_seconds, clock, tally, refusals.note, storage.max_sample_age, quotas, gateways, turns,
            read_mapping(settings.mapping_file),
        )  # fmt: skip
        readiness = Readiness(health, commits, budget, tally, process)
        fleet = FleetReader(health, clock)
        people = People(pool, settings.people_cache_seconds)
        yield Services(
            settings, clock, pool, charts, tokens, people, settings.roles, limits, quotas, commits, upload, direct,
            turns, foreign, gateways, budget, pace, process, readiness, fleet, refusals, SensitiveReads(pool, clock),
            storage, WebTurns(settings.pool_size),
        )  # fmt: skip


def token_overlap(settings: Settings) -> timedelta:
    """Return the time for which a replaced agent token stays valid (RTS_TOKEN_OVERLAP_SECONDS)."""
    return timedelta(seconds=settings.token_overlap_seconds)


def make_limits(settings: Settings) -> CallLimits:
    """Return the limits of this process.

    One agent or person keeps one connection and so one process: each process allows them the whole limit. A business's
    agents are spread over all processes: each process allows its share.
    """
    share = math.ceil(settings.business_calls_per_minute / settings.workers)
    return CallLimits(settings.agent_calls_per_minute, settings.person_calls_per_minute, share)


async def wait_for_pool(settings: Settings, *, patient: bool) -> asyncpg.Pool:
    """Open the API's pool on a server and schema that fit; tries for half a minute while the database is unavailable.

    `patient`: tries again after every error, without end. A process that replaces a dead one does so: its siblings
    serve, and giving up would end them too.
    """
    for attempt in count(1):
        try:
            return await open_checked_pool(settings)
        except RtsError as fault:
            if not patient and (attempt == START_ATTEMPTS or not isinstance(fault, DatabaseUnavailableError)):
                raise
            log.warning("cannot start yet: %s (%s): trying again", fault.message, fault.__cause__)
        await asyncio.sleep(1)
    raise AssertionError


async def open_checked_pool(settings: Settings) -> asyncpg.Pool:
    """Open the API's pool; raises DatabaseUnavailableError, or the fault of the server, its schema or its size."""
    pool = await open_pool(
        settings.database_url, size=settings.pool_size, name="api", timeout=settings.query_timeout_seconds
    )
    try:
        with database_errors():
            async with pool.acquire() as connection:
                server = await describe_server(connection)
                check_server(server)
                await check_session(settings.database_url, server)
                await check_schema(connection)
                await check_connections(connection, settings)
    except BaseException:
        await pool.close()
        raise
    return pool


async def connect_writer(dsn: str) -> asyncpg.Connection:
    """Open the writer's own connection: COPY never waits for a chart's connection."""
    with database_errors():
        return await asyncpg.connect(
            dsn,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COPY_TIMEOUT_SECONDS,
            server_settings=SERVER_SETTINGS | WRITER_SETTINGS,
        )


def token_check(pool: asyncpg.Pool, clock: Clock, gateways: GatewayHosts) -> Callable[[Sender], Awaitable[None]]:
    """Return a function that checks a sender's token in the database; it raises RevokedTokenError."""

    async def is_still_good(sender: Sender) -> None:
        if sender.is_gateway:
            await gateways.of(sender.agent_id, sender.token_hash)
        else:
            await check_agent(pool, sender, clock())

    return is_still_good
