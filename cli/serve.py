"""`rts-agents serve`: the HTTP server."""

from typing import Annotated

import typer
import uvicorn

from api.app import Application
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
    application = Application(settings_with_database())
    application.check()
    uvicorn.run(
        application, host=host, port=port, loop="uvloop", http="httptools", access_log=False, server_header=False,
        proxy_headers=False,
        log_config=None, timeout_graceful_shutdown=GRACE_SECONDS, lifespan="on",
    )  # fmt: skip
