"""`rts-agents retention tenant`: levels of one business that are kept longer or shorter than for all."""

import asyncio
from datetime import timedelta
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from cli.connection import with_connection
from cli.fitting import print_table
from cli.retention_holds import operator
from cli.settings import settings_with_database
from core.clock import utc_now
from db.environment import confirm_target
from db.hypertables.policies import DAY
from retention.ages import parse_age
from retention.tenants import TenantPlan, change_tenant, list_tenants, plan_tenant

app = typer.Typer(
    help="Retention of one business: longer or shorter than for all.\n\nExample: rts-agents retention tenant list",
    no_args_is_help=True,
)

Business = Annotated[UUID, typer.Argument(help="id of the business")]
Raw = Annotated[str, typer.Option("--raw", help="how long its raw samples are kept: 14d, 8w, 2y, or `all` as for all")]
FiveMinutes = Annotated[str, typer.Option("--5m", help="how long its rollups of 5 minutes are kept")]
Hours = Annotated[str, typer.Option("--1h", help="how long its rollups of an hour are kept")]
Days = Annotated[str, typer.Option("--1d", help="how long its rollups of a day are kept")]


@app.command("list")
def list_all() -> None:
    """List the levels of businesses that differ from those of all; times in UTC.

    Example: rts-agents retention tenant list
    """
    table = Table("business", "id", "level", "kept for", "before, not deleted until", "changed", "by", "reason")
    table.add_column("rows deleted", justify="right")
    for row in asyncio.run(with_connection(list_tenants)):
        former = f"{row['former_keep'] / DAY:g} d, {row['former_until']:%Y-%m-%d %H:%M}" if row["former_keep"] else "-"
        table.add_row(
            row["name"], str(row["business_id"]), row["level"],
            f"{row['keep'] / DAY:g} d" if row["keep"] else "as for all", former, f"{row['changed_at']:%Y-%m-%d %H:%M}",
            row["changed_by"], row["reason"], f"{row['trimmed_rows']:,}",
        )  # fmt: skip
    print_table(table)


@app.command("what-if")
def what_if(business: Business, raw: Raw = "", five: FiveMinutes = "", hours: Hours = "", days: Days = "") -> None:
    """Show the effects of other ages for a business. Nothing is written; exit status 1 if it is refused.

    Example: rts-agents retention tenant what-if 77… --raw 90d
    """
    keep, grace = ages_given(raw, five, hours, days), grace_of_settings()
    print_tenant(asyncio.run(with_connection(lambda one: plan_tenant(one, business, keep, utc_now(), grace))))


@app.command("set")
def set_ages(
    business: Business,
    reason: Annotated[str, typer.Option(help="why, for the audit trail")],
    raw: Raw = "", five: FiveMinutes = "", hours: Hours = "", days: Days = "",
    database: Annotated[str, typer.Option(help="name of the database, to confirm")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:  # fmt: skip
    """Set the retention of a business by level; `all` removes its own value. Rows are deleted after the grace period.

    Example: rts-agents retention tenant set 77… --1h 5y --reason "contract 12" --yes
    """
    keep, grace = ages_given(raw, five, hours, days), grace_of_settings()
    settings = settings_with_database()
    target = confirm_target(settings.database_url, database, settings.environment)
    if not yes and not database:
        typer.confirm(
            f"This changes how long data of a business is kept in the database {target.name}. Go on?", abort=True
        )
    print_tenant(
        asyncio.run(
            with_connection(lambda one: change_tenant(one, business, keep, operator(), reason, utc_now(), grace))
        )
    )
    typer.echo(
        f"In force. Rows are deleted from {utc_now() + grace:%Y-%m-%d %H:%M} UTC on; set the ages back until then."
    )


def ages_given(raw: str, five: str, hours: str, days: str) -> dict[str, timedelta | None]:
    """Return the ages of the options by level; raises InvalidAgeError, or typer.BadParameter without any."""
    texts = {"raw": raw, "5m": five, "1h": hours, "1d": days}
    keep = {level: None if text == "all" else parse_age(text) for level, text in texts.items() if text}
    if not keep:
        raise typer.BadParameter("give at least one age: --raw 14d, --5m, --1h or --1d")
    return keep


def grace_of_settings() -> timedelta:
    """Return the grace period, in which data kept by the former values is not deleted."""
    return timedelta(hours=settings_with_database().retention_grace_hours)


def print_tenant(plan: TenantPlan) -> None:
    """Print the effects of a change; exits with status 1 if it is refused."""
    changes = [f"{name} {plan.before[name]:g} d -> {days:g} d" for name, days in plan.after.items()
               if plan.before[name] != days]  # fmt: skip
    lines = [f"{plan.name}, {plan.devices} devices: {', '.join(changes) or 'no change'}"]
    lines += [f"- {effect}" for effect in plan.effects]
    lines += [f"- would delete {rows:,} rows of {relation}" for relation, rows in plan.rows.items()]
    lines += [f"REFUSED: {objection}" for objection in plan.objections]
    for line in lines:
        Console().print(line, highlight=False, soft_wrap=True, markup=False)
    if plan.objections:
        raise typer.Exit(1)
