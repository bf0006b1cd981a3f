"""`rts-agents grafana`: the schema that dashboards read, and a read-only role for each business."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from cli.connection import with_connection
from db.grafana import schema

app = typer.Typer(
    help="The schema that Grafana reads, and the roles that read it.\n\nExample: rts-agents grafana install",
    no_args_is_help=True,
)


@app.command()
def install() -> None:
    """Create or update the schema `grafana` and the group `rts_grafana`; run it as a superuser after each upgrade.

    Example: DATABASE_URL=postgresql://… rts-agents grafana install
    """
    asyncio.run(with_connection(schema.install))
    typer.echo("The schema grafana is ready. Next: rts-agents grafana role NAME --business ID")


@app.command()
def role(
    name: Annotated[str, typer.Argument(help="the role that Grafana signs in with")],
    business: Annotated[UUID | None, typer.Option(help="the business that it sees")] = None,
    all_businesses: Annotated[bool, typer.Option("--all-businesses", help="for the MSP's own dashboards")] = False,
) -> None:
    r"""Create a read-only role that sees one business, or change its business. Set its password by `\password`.

    Example: rts-agents grafana role grafana_shop --business 0b7f…
    """
    if (business is None) != all_businesses:
        raise typer.BadParameter("Give either --business or --all-businesses.")
    asyncio.run(with_connection(lambda connection: schema.allow(connection, name, business)))
    typer.echo(f"{name} sees {'all businesses' if business is None else business}. Set its password: \\password {name}")


@app.command()
def roles() -> None:
    """List the roles and the business that each sees.

    Example: rts-agents grafana roles
    """
    for row in asyncio.run(with_connection(schema.list_roles)):
        sees = "all businesses" if row["sees_all"] else row["business_name"] or "nothing: its business does not exist"
        typer.echo(f"{row['role_name']}\t{sees}")


@app.command()
def remove(name: Annotated[str, typer.Argument(help="the role")]) -> None:
    """Drop a role that `grafana role` created.

    Example: rts-agents grafana remove grafana_shop
    """
    asyncio.run(with_connection(lambda connection: schema.remove(connection, name)))
    typer.echo(f"{name} is gone.")
