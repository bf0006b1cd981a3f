"""`rts-agents retention hold`: legal holds, which keep data of a device or a customer from being dropped."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

import typer

from cli.connection import with_connection
from cli.erase import current_user
from cli.fitting import print_table
from cli.retention_tables import holds_table
from core.clock import utc_now
from devices.audit import Actor
from retention.changes import Operator
from retention.holds import HoldRequest, list_holds, place_hold, release_hold

app = typer.Typer(
    help="Legal holds: data that must not be dropped.\n\nExample: rts-agents retention hold list", no_args_is_help=True
)


@app.command()
def add(
    reason: Annotated[str, typer.Option(help="why, for the audit trail")],
    business: Annotated[str, typer.Option(help="id of a business")] = "",
    device: Annotated[str, typer.Option(help="id of a device")] = "",
    until: Annotated[str, typer.Option(help="date that releases it (UTC): 2027-06-30; without: until released")] = "",
) -> None:
    """Place a hold: retention of every level stops at once, until the hold is released.

    Example: rts-agents retention hold add --business 77… --reason "litigation 17/26"
    """
    if bool(business) == bool(device):
        raise typer.BadParameter("give either --business or --device")
    try:
        subject = UUID(business or device)
    except ValueError as fault:
        raise typer.BadParameter("an id is a UUID") from fault
    requested = HoldRequest("business" if business else "device", subject, reason, parse_until(until))
    number = asyncio.run(with_connection(lambda one: place_hold(one, requested, operator(), utc_now())))
    typer.echo(f"Hold {number} is in force: retention drops no chunk with its data.")


@app.command("list")
def list_all() -> None:
    """List all holds, those in force first.

    Example: rts-agents retention hold list
    """
    print_table(holds_table(asyncio.run(with_connection(list_holds))))


@app.command()
def release(number: Annotated[int, typer.Argument(help="number of the hold, from `hold list`")]) -> None:
    """Release a hold; with the last one retention continues, an hour later.

    Example: rts-agents retention hold release 3
    """
    asyncio.run(with_connection(lambda one: release_hold(one, number, operator(), utc_now())))
    typer.echo(f"Hold {number} is released.")


def operator() -> Operator:
    """Return the user of this session as the author of a change."""
    return Operator(current_user(), Actor("system"))


def parse_until(text: str) -> datetime | None:
    """Return midnight UTC of a date, None for an empty text; raises typer.BadParameter."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None
    except ValueError as fault:
        raise typer.BadParameter("write the date as 2027-06-30") from fault
