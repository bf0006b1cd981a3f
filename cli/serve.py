"""`rts-agents serve`: the HTTP server."""

from typing import Annotated

import typer
import uvicorn

from api.app import Application
from api.live.socketio import PING_SECONDS
from api.live.sockets import MOST_BYTES
from cli.parent import exit_with_parent
from cli.settings import log_to_stderr, settings_with_database

GRACE_SECONDS = 30


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", help="port to listen on")] = 3002,
    with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False,
) -> None:
    """Serve uploads and the API on DATABASE_URL.

    SIGTERM drains: uploads that have arrived are committed and answered first.

    Example: DATABASE_URL=postgresql://… rts-agents serve --port 3002
    """
    log_to_stderr()
    if with_parent:
        exit_with_parent()
    settings = settings_with_database()
    application = Application(settings)
    application.check()
    uvicorn.run(
        application, host=host, port=port, loop="uvloop", http="httptools", access_log=False, server_header=False,
        ws="websockets-sansio", ws_max_size=MOST_BYTES, ws_ping_interval=PING_SECONDS, ws_ping_timeout=PING_SECONDS,
        proxy_headers=bool(settings.trusted_proxies), forwarded_allow_ips=settings.trusted_proxies,
        log_config=None, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="on",
    )  # fmt: skip
