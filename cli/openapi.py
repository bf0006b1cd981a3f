"""`rts-agents openapi`: the OpenAPI document as JSON, for client generators and the documentation site."""

import orjson
import typer

from core.clock import utc_now
from core.settings import get_settings
from health.process import ThisProcess


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(openapi)


def openapi() -> None:
    """Print the OpenAPI document; it needs no database.

    Example: rts-agents openapi > openapi.json
    """
    from api.app import make_web  # here, because the other commands do not need the server

    document = make_web(get_settings(), utc_now, ThisProcess()).openapi()
    typer.echo(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
