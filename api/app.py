"""The ASGI application: the upload route in front, FastAPI behind it for everything else."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI

from api.chart_calls import answer_chart
from api.direct_uploads import DirectUploadRoute
from api.errors import RESPONSES, install_error_answers
from api.foreign_paths import match_call
from api.live.service import Live, open_live
from api.openapi import describe
from api.routes import (
    agent_summary,
    agents,
    alert_history,
    alert_rules,
    alerts,
    annotations,
    audit,
    backtest,
    businesses,
    catalogs,
    command_delivery,
    commands,
    eol,
    erasures,
    events,
    export,
    fleet,
    gateways,
    health,
    heartbeat,
    history,
    inventory,
    lifecycle,
    maintenance,
    me,
    metrics,
    monitored_services,
    registration,
    registration_tokens,
    retention,
    saved_views,
    series,
    session,
    storage,
)
from api.server.asgi import Receive, Scope, Send, refuse
from api.server.browsers import BrowserHeaders
from api.server.compression import compressed
from api.server.docs_page import add_docs_page
from api.server.sessions import CrossSiteError, with_session
from api.services import Services, open_services
from api.web_bodies import owner_of, whole_body
from api.web_turns import Turn
from core.clock import Clock, utc_now
from core.errors import RtsError
from core.settings import Settings
from db.pools import CONNECTION_ERRORS, DatabaseUnavailableError
from health.counts import Gauges
from health.process import ThisProcess
from pages.app import Pages

WITHOUT_TURN = "/api/health"  # a busy server must still say how it is
UPLOAD_PATH = re.compile(r"/api/agents/([^/]+)/metrics")


class Application:
    """One ASGI callable; an upload never passes through the framework (decision 0021 has the figures)."""

    def __init__(self, settings: Settings, clock: Clock = utc_now, process: ThisProcess | None = None) -> None:
        self._settings = settings
        self._clock = clock
        self.process = process or ThisProcess()
        self.web = make_web(settings, clock, self.process)
        self._pages = Pages(settings.embed_origins)
        self._browsers = BrowserHeaders(settings.cors_named, over_tls=settings.public_url.startswith("https"))

    @property
    def direct_uploads(self) -> DirectUploadRoute | None:
        """The handler of usual uploads for the HTTP protocol (api/server/direct.py); None before the start."""
        services: Services | None = getattr(self.web.state, "services", None)
        return services.direct if services else None

    def check(self) -> None:
        """Open and close the services once, so that a fault shows as its own error before the server starts."""

        async def open_and_close() -> None:
            async with open_services(self._settings, self._clock):
                pass

        asyncio.run(open_and_close())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "http":
            if await self._without_framework(scope, receive, send) or await self._browsers.preflight(scope, send):
                return
            send = self._browsers.sending(scope, send)
            scope = with_get_for_head(scope)
        if scope["type"] != "lifespan":
            try:
                scope = with_session(scope, self._settings.public_url)
            except CrossSiteError as error:
                self._note_refusal(scope, error)
                await refuse_cross_site(scope, send, error, self._settings.retry_after_seconds)
                return
            live: Live = self.web.state.live
            if await live(scope, receive, send):
                return
        if scope["type"] == "http":
            await self._bounded(scope, receive, send)
        else:
            await self.web(scope, receive, send)

    async def _without_framework(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Serve uploads and pages; return whether the request was one."""
        upload = UPLOAD_PATH.fullmatch(scope["path"]) if scope["method"] == "POST" else None
        foreign = None if upload else match_call(scope["method"], scope["path"])
        if not upload and not foreign:
            return await self._pages(scope, send)
        services: Services = self.web.state.services
        if upload:
            await services.upload(scope, receive, send, upload[1])
        elif foreign:
            await services.foreign(scope, receive, send, *foreign)
        return True

    def _note_refusal(self, scope: Scope, error: RtsError) -> None:
        """Keep a refused call for the audit trail."""
        services: Services = self.web.state.services
        services.refusals.note(scope, error)

    async def _bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of the web part; one that waits too long, for a connection perhaps, is a 503."""
        services: Services = self.web.state.services
        seconds = self._settings.query_timeout_seconds
        began, begun = time.monotonic(), False
        turn = Turn(services.web_turns)

        async def sending(message: MutableMapping[str, Any]) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                turn.end()  # a client that reads slowly holds no turn
                self.process.counts.web.answered(message["status"], time.monotonic() - began)
            await send(message)

        try:
            async with whole_body(services, scope, receive) as receive_whole, asyncio.timeout(seconds):
                await begin_turn(turn, services, scope)
                packing = compressed(scope, sending)  # whose answer has not begun while it is compressed
                if not await answer_chart(services, scope, packing):
                    await self.web(scope, receive_whole, packing)
        except (TimeoutError, *CONNECTION_ERRORS, RtsError) as error:
            refusal = error if isinstance(error, RtsError) else DatabaseUnavailableError()
            self._note_refusal(scope, refusal)
            if not begun:
                await refuse(sending, refusal, self._settings.retry_after_seconds)
        finally:
            turn.end()


async def begin_turn(turn: Turn, services: Services, scope: Scope) -> None:
    """Wait for the turn of a call; health checks never wait."""
    if not scope["path"].startswith(WITHOUT_TURN):
        await turn.begin(owner_of(services, scope))


async def refuse_cross_site(scope: Scope, send: Send, error: CrossSiteError, retry_after_seconds: int) -> None:
    """Refuse a call that another site may have caused; a socket before its handshake, which is an HTTP 403."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})
    else:
        await refuse(send, error, retry_after_seconds)


def with_get_for_head(scope: Scope) -> Scope:
    """Return a HEAD of the health routes as a GET: uptime monitors send it, and the server leaves the body out."""
    asks = scope["method"] == "HEAD" and scope["path"].startswith("/api/health")
    return {**scope, "method": "GET"} if asks else scope


def make_web(settings: Settings, clock: Clock, process: ThisProcess) -> FastAPI:
    """Return the FastAPI part, whose lifespan opens and closes the services of both parts."""

    @asynccontextmanager
    async def lifespan(web: FastAPI) -> AsyncIterator[None]:
        async with (
            open_services(settings, clock, process) as services,
            open_live(services) as live,
            process.reporting(lambda: process_gauges(services, live)),
        ):
            web.state.services, web.state.live = services, live
            yield

    web = FastAPI(
        title="RTS Agent Monitoring",
        version=version("rts-agent-monitoring"),
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # a redirect would lead to the Host that the request names
    )
    add_docs_page(web)
    install_error_answers(web, settings.retry_after_seconds)
    # Charts first, which dashboards ask for most: a router costs each request of those after it. One with fixed paths
    # such as /api/agents/software-eol comes before that of /api/agents/{agent_id}.
    modules = (
        history, annotations, series, commands, command_delivery, registration, registration_tokens, gateways, eol,
        fleet, export,
        inventory, monitored_services, backtest, alerts, alert_history, alert_rules, maintenance, saved_views,
        catalogs, agent_summary, agents, heartbeat, lifecycle, events, me, businesses, session, storage, retention,
        erasures,
        audit,
    )  # fmt: skip
    for module in modules:
        web.include_router(module.router, responses=RESPONSES)
    web.include_router(health.router, responses={503: RESPONSES[503]})
    web.include_router(metrics.router)
    describe(web)
    return web


def process_gauges(services: Services, live: Live) -> Gauges:
    """Return the present values of this process."""
    agents, people = live.hub.count()
    return Gauges(
        buffered_samples=services.commits.buffered,
        buffered_samples_max=services.commits.max_samples,
        body_bytes=services.budget.in_memory,
        agent_sockets=agents,
        person_sockets=people,
        pool_connections=services.pool.get_size(),
        pool_connections_used=services.pool.get_size() - services.pool.get_idle_size(),
        pool_connections_max=services.settings.pool_size,
    )
