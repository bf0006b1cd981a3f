"""`rts-agents token`: a platform token for development."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer

from auth.keys import KeyFile
from auth.tokens import Tokens
from core.clock import utc_now
from core.settings import get_settings


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command()(token)


def token(
    employee: Annotated[UUID | None, typer.Option(help="id in the platform's table employees")] = None,
    business: Annotated[UUID | None, typer.Option(help="id in the platform's table businesses")] = None,
    user: Annotated[UUID | None, typer.Option(help="id in the platform's table users, with --business")] = None,
    role: Annotated[str, typer.Option(help="role claim")] = "technician",
    hours: Annotated[float, typer.Option(min=0.01, help="hours until it expires")] = 12,
) -> None:
    """Issue a token as the platform would, for an employee or for a user of a business.

    Example: rts-agents token --employee 6f1c2d3e-0000-4000-8000-000000000001
    """
    if (employee is None) == (business is None):
        raise typer.BadParameter("give either --employee or --business")
    claims = {
        "sub": str(employee or user or business), "role": role, "employee_id": employee and str(employee),
        "business_id": business and str(business), "user_id": user and str(user),
    }  # fmt: skip
    present = {name: value for name, value in claims.items() if value is not None}
    tokens = Tokens(KeyFile(get_settings().keys_file))
    typer.echo(tokens.issue_person(present, utc_now(), timedelta(hours=hours)))
