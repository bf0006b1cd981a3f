"""`rts-agents webhook-secret`: the secret with which the receiver of a business's webhooks verifies them."""

from typing import Annotated
from uuid import UUID

import typer

from alerts.notify.signatures import as_text, derive_secret
from core.settings import get_settings


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("webhook-secret")(webhook_secret)


def webhook_secret(
    business: Annotated[UUID | None, typer.Option(help="id in the platform's table businesses")] = None,
) -> None:
    """Print the Standard Webhooks secret of a business's rules, or without --business that of rules for all businesses.

    Example: rts-agents webhook-secret --business 6f1c2d3e-0000-4000-8000-000000000001
    """
    secret = get_settings().webhook_secret.get_secret_value()
    if not secret:
        raise typer.BadParameter("RTS_WEBHOOK_SECRET is not set: webhooks are not signed")
    typer.echo(as_text(derive_secret(secret.encode(), business)))
