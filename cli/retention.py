"""`rts-agents retention`: retention times, the effects of a change, and the change itself."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from cli import retention_holds, retention_tenants
from cli.connection import with_connection
from cli.fitting import fits, print_table
from cli.retention_holds import operator
from cli.retention_tables import (
    changes_table,
    effects_table,
    plan_lines,
    records_table,
    retention_table,
    show_lines,
)
from cli.settings import settings_with_database
from core.clock import utc_now
from db.environment import confirm_target
from db.pools import Connection
from retention.ages import parse_age
from retention.changes import PlanDamagedError, apply_due, apply_plan, list_changes, undo_change
from retention.overview import read_overview
from retention.plans import make_plan
from rollups.drift import Drift, find_drift
from rollups.repair import repair

app = typer.Typer(
    help="Retention of data: show, plan, apply, undo, legal holds.\n\nExample: rts-agents retention show",
    no_args_is_help=True,
)
app.add_typer(retention_holds.app, name="hold")
app.add_typer(retention_tenants.app, name="tenant")

Raw = Annotated[str, typer.Option("--raw", help="how long raw samples are kept: 14d, 8w, 2y")]
FiveMinutes = Annotated[str, typer.Option("--5m", help="how long rollups of 5 minutes are kept")]
Hours = Annotated[str, typer.Option("--1h", help="how long rollups of an hour are kept")]
Days = Annotated[str, typer.Option("--1d", help="how long rollups of a day are kept")]
Keep = Annotated[
    list[str] | None, typer.Option("--keep", help="how long a kind of records is kept: alerts=3y; may be repeated")
]
Large = Annotated[bool, typer.Option("--large", help="allow to drop more than a quarter of a level")]
Exact = Annotated[bool, typer.Option("--exact", help="count every row that would be dropped, however long it takes")]
Database = Annotated[str, typer.Option(help="name of the database, to confirm; needed where it is marked production")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


@app.command()
def show() -> None:
    """Show how long levels and records are kept, their sizes, growth and next drop; exit status 1 if something differs.

    Example: rts-agents retention show
    """
    settings = settings_with_database()
    overview = asyncio.run(with_connection(lambda one: read_overview(one, utc_now(), settings.disk_bytes)))
    console = Console()
    console.print(f"target {overview.target}", highlight=False)
    console.print(retention_table(overview))
    records = records_table(overview)
    console.print(records if fits(console, records) else records_table(overview, with_descriptions=False))
    for line in show_lines(overview):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if overview.drifts:
        raise typer.Exit(1)


@app.command("what-if")
def what_if(
    raw: Raw = "", five: FiveMinutes = "", hours: Hours = "", days: Days = "", keep: Keep = None,
    large: Large = False, exact: Exact = False,
) -> None:  # fmt: skip
    """Show the data that other ages would drop, and its owners. Nothing is written; exit status 1 if it is refused.

    Example: rts-agents retention what-if --raw 14d --5m 60d --keep command_outputs=90d
    """
    print_plan(made_plan(parse_ages(raw, five, hours, days, keep or []), large=large, exact=exact))


@app.command()
def plan(
    raw: Raw = "", five: FiveMinutes = "", hours: Hours = "", days: Days = "", keep: Keep = None,
    large: Large = False, exact: Exact = False,
    out: Annotated[Path, typer.Option(help="file for the plan")] = Path("retention-plan.json"),
) -> None:  # fmt: skip
    """Write the effects of a change into a file, to be read, signed off and applied. The database does not change.

    Example: rts-agents retention plan --raw 14d --out plan.json
    """
    document = made_plan(parse_ages(raw, five, hours, days, keep or []), large=large, exact=exact)
    print_plan(document)
    out.write_text(json.dumps(document, indent=2) + "\n")
    typer.echo(f"The plan is in {out}. Apply it: rts-agents retention apply {out} --reason …")


@app.command()
def apply(
    file: Annotated[Path, typer.Argument(help="the plan")],
    reason: Annotated[str, typer.Option(help="why, for the history and the audit trail")],
    database: Database = "",
    yes: Yes = False,
) -> None:
    """Apply a plan: longer ages are in force at once, shorter ones after the grace, within which `undo` costs nothing.

    Refused when the database has changed since the plan was made.

    Example: rts-agents retention apply plan.json --reason "ticket 4711" --yes --database rts
    """
    document = read_plan(file)
    print_plan(document)
    name = confirmed(database, yes=yes)
    grace = timedelta(hours=settings_with_database().retention_grace_hours)
    change = asyncio.run(
        with_connection(lambda one: apply_plan(one, document, name, operator(), reason, utc_now(), grace))
    )
    if change.applied:
        typer.echo(f"Change {change.id} is in force.")
    else:
        undo_hint = f"`rts-agents retention undo {change.id}` costs nothing until then."
        typer.echo(f"Change {change.id} waits until {change.due_at:%Y-%m-%d %H:%M} UTC. {undo_hint}")


@app.command()
def history() -> None:
    """Show the changes of retention, the newest first; times in UTC.

    Example: rts-agents retention history
    """
    print_table(changes_table(asyncio.run(with_connection(list_changes))))


@app.command()
def undo(
    number: Annotated[int, typer.Argument(help="number of the change, from `history`")],
    database: Database = "",
    yes: Yes = False,
) -> None:
    """Undo the newest change: before it is in force at no cost, after that as long as nothing was dropped.

    Example: rts-agents retention undo 14 --yes --database rts
    """
    confirmed(database, yes=yes)
    typer.echo(asyncio.run(with_connection(lambda one: undo_change(one, number, operator(), utc_now()))))


@app.command("repair")
def put_back(
    database: Annotated[str, typer.Option(help="name of the database, to confirm")],
) -> None:
    """Set the policies to the values in force, and apply a change that is due. Exit status 1 if a difference is left.

    Each refresh looks back only as far as its source still has chunks. Dropped chunks do not come back, but rollups
    over them stay. Example: rts-agents retention repair --database rts
    """
    confirmed(database, yes=True)
    done, left = asyncio.run(with_connection(repair_all))
    for line in done or ([] if left else ["Nothing to repair."]):
        typer.echo(line)
    for drift in left:
        typer.echo(f"! left as it is: {drift.advice}")
    if left:
        raise typer.Exit(1)


async def repair_all(connection: Connection) -> tuple[list[str], list[Drift]]:
    """Repair the policies, then apply due changes; returns the actions as sentences, and the differences left."""
    async with connection.transaction():
        done = await repair(connection, utc_now())
    number = await apply_due(connection, utc_now())
    done += [f"Change {number} is in force."] if number else []
    return done, await find_drift(connection, utc_now())


def parse_ages(raw: str, five: str, hours: str, days: str, records: list[str]) -> dict[str, timedelta]:
    """Return the ages of the options by name; raises InvalidAgeError, or typer.BadParameter without any."""
    texts = {"raw": raw, "5m": five, "1h": hours, "1d": days}
    for option in records:
        name, separator, age = option.partition("=")
        if not separator:
            raise typer.BadParameter("write --keep as alerts=3y: a name from `retention show`, and its age")
        texts[name.strip()] = age
    keep = {name: parse_age(text) for name, text in texts.items() if text}
    if not keep:
        raise typer.BadParameter("give at least one age: --raw 14d, --5m, --1h, --1d or --keep alerts=3y")
    return keep


def made_plan(keep: dict[str, timedelta], *, large: bool, exact: bool) -> dict[str, Any]:
    """Return the plan of ages by name."""
    grace = timedelta(hours=settings_with_database().retention_grace_hours)
    new_plan = asyncio.run(
        with_connection(lambda one: make_plan(one, keep, utc_now(), grace, large=large, exact=exact))
    )
    return new_plan.document()


def print_plan(document: dict[str, Any]) -> None:
    """Print a plan; exits with status 1 when it is refused."""
    console = Console()
    if document["effects"]:
        console.print(effects_table(document["effects"]))
    for line in plan_lines(document):
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    if document["objections"]:
        raise typer.Exit(1)


def read_plan(file: Path) -> dict[str, Any]:
    """Return the document in a file; raises PlanDamagedError."""
    try:
        document = json.loads(file.read_text())
    except (OSError, ValueError) as fault:
        raise PlanDamagedError(f"{file} cannot be read as a plan.") from fault
    if not isinstance(document, dict) or not {"effects", "objections", "losses", "after"} <= document.keys():
        raise PlanDamagedError
    return document


def confirmed(database: str, *, yes: bool) -> str:
    """Return the name of the database once it is confirmed; raises ProductionDatabaseError."""
    settings = settings_with_database()
    target = confirm_target(settings.database_url, database, settings.environment)
    if not yes and not database:
        typer.confirm(f"This changes how long data is kept in the database {target.name}. Go on?", abort=True)
    return target.name
