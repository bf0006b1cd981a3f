"""`rts-agents serve`: the HTTP server."""

from typing import Annotated

import typer

from cli.parent import exit_with_parent
from cli.settings import log_to_stderr, settings_with_database
from core.garbage import loading


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(serve)


def serve(
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="PORT", help="port to listen on")] = 3002,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="processes; RTS_WORKERS, 1")] = None,
    with_parent: Annotated[bool, typer.Option("--exit-with-parent", hidden=True)] = False,
) -> None:
    """Serve uploads and the API on DATABASE_URL.

    SIGTERM drains: uploads that have arrived are committed and answered first. With two workers or more, SIGHUP
    replaces them one after the other while the others serve.

    Example: DATABASE_URL=postgresql://… rts-agents serve --port 3002 --workers 2
    """
    # Imported here, because the other commands, such as the worker, need neither the second nor the memory it takes.
    with loading():
        from api.app import Application
        from cli.serving import serve_alone, serve_with_siblings

    log_to_stderr()
    if with_parent:
        exit_with_parent()
    settings = settings_with_database()
    settings = settings.model_copy(update={"workers": workers or settings.workers})
    application = Application(settings)
    application.check()
    if settings.workers == 1:
        serve_alone(application, settings, host, port)
    else:
        serve_with_siblings(settings, host, port)
