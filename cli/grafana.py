"""`rts-agents grafana`: the schema that dashboards read, and a read-only role for each business."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from cli.connection import with_connection
from db.grafana import schema

app = typer.Typer(help="The schema that Grafana reads, and the roles that read it.", no_args_is_help=True)


@app.command()
def install() -> None:
    """Make or renew the schema `grafana` and the group `rts_grafana`; run it again after each upgrade, as a superuser.

    Example: DATABASE_URL=postgresql://… rts-agents grafana install
    """
    asyncio.run(with_connection(schema.install))
    typer.echo("The schema grafana is ready. Next: rts-agents grafana role NAME --business ID")


@app.command()
def role(
    name: Annotated[str, typer.Argument(help="the role that Grafana signs in with")],
    business: Annotated[UUID | None, typer.Option(help="the business that it sees")] = None,
    all_businesses: Annotated[bool, typer.Option("--all-businesses", help="for the MSP's own wall")] = False,
) -> None:
    r"""Make a read-only role that sees one business, or change which one. It has no password: set it by `\password`.

    Example: rts-agents grafana role grafana_shop --business 0b7f…
    """
    if (business is None) != all_businesses:
        raise typer.BadParameter("Give either --business or --all-businesses.")
    asyncio.run(with_connection(lambda connection: schema.allow(connection, name, business)))
    typer.echo(f"{name} sees {'all businesses' if business is None else business}. Set its password: \\password {name}")


@app.command()
def roles() -> None:
    """List the roles and what each sees."""
    for row in asyncio.run(with_connection(schema.list_roles)):
        sees = "all businesses" if row["sees_all"] else row["business_name"] or "nothing: its business is gone"
        typer.echo(f"{row['role_name']}\t{sees}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="the role")]) -> None:
    """End a role."""
    asyncio.run(with_connection(lambda connection: schema.remove(connection, name)))
    typer.echo(f"{name} is gone.")
