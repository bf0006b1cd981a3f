"""`rts-agents db downgrade` and `put-back`: lists and saves the data that a downgrade loses, and restores it."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from cli.settings import settings_with_database
from core.clock import utc_now
from db.backup.saved import COUNTED, CountedLoss, count_losses, current_revision, put_back, save
from db.environment import confirm_target, read_target
from db.migrations import run as migrations
from db.migrations.steps import downgrade_target

Database = Annotated[str, typer.Option(help="name of the database, required where it is marked production")]
BASE = "base"


def register(app: typer.Typer) -> None:
    """Add the commands to `rts-agents db`."""
    app.command()(downgrade)
    app.command("put-back")(put_saved_back)


def downgrade(
    revision: Annotated[str, typer.Argument(help="revision to go back to; base removes all that revisions made")],
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    save_to: Annotated[Path | None, typer.Option("--save", help="save lost rows into this new folder first")] = None,
    plan: Annotated[bool, typer.Option("--plan", help="print the losses and change nothing")] = False,
    database: Database = "",
) -> None:
    """Downgrade the schema. Print by revision which rows are lost, save them first if asked, then drop them.

    Tables that the platform had before are never dropped. Older code usually runs on the newer schema: then no
    downgrade is needed (docs/recovery.md).

    Example: rts-agents db downgrade 0021 --save /backup/before-0021 --database rts
    """
    settings = settings_with_database()
    url = settings.database_url
    target = asyncio.run(read_target(url)) if plan else confirm_target(url, database, settings.environment)
    current = current_revision(url)
    typer.echo(
        f"target: database {target.name} ({target.mark or 'not marked'}), at revision {current or BASE}", err=True
    )
    revision = downgrade_target(current, revision)
    for line in describe_losses(count_losses(url, current, revision) if current else {}):
        typer.echo(line)
    if plan:
        return
    if not yes:
        typer.confirm(f"Take {target.name} back to {revision}? What is listed is lost", abort=True)
    if save_to and current:
        saved = save(url, save_to, utc_now(), current, revision)
        rows = sum(one.rows for one in saved.tables)
        typer.echo(f"{save_to}: {rows:,} rows in {len(saved.tables)} files. `rts-agents db put-back` reads them.")
    migrations.downgrade(url, revision, say=lambda text: typer.echo(text, err=True))
    typer.echo(f"The schema is at {revision}.")


def put_saved_back(
    folder: Annotated[Path, typer.Argument(help="the folder of `db downgrade --save`")],
    database: Annotated[str, typer.Option(help="name of the database, as a confirmation")],
) -> None:
    """Restore the rows that a downgrade saved, after `db upgrade`, in one transaction. Changed rows are replaced.

    Stop `serve` and `worker` before. It needs the owner of the tables.

    Example: rts-agents db put-back /backup/before-0021 --database rts
    """
    settings = settings_with_database()
    target = confirm_target(settings.database_url, database)
    back = put_back(settings.database_url, folder)
    typer.echo(f"{target.name}: {sum(back.values()):,} rows of {len(back)} tables are back.")


def describe_losses(losses: dict[str, list[CountedLoss]]) -> Iterator[str]:
    """Yield a line for each revision that loses something, and one for all that lose nothing."""
    harmless = [revision for revision, counted in losses.items() if not any(one.rows for one in counted)]
    for revision, counted in losses.items():
        lines = [describe_loss(one) for one in counted if one.rows]
        if lines:
            yield f"{revision} loses {'; '.join(lines)}"
    if harmless:
        yield f"nothing is lost by {', '.join(harmless)}"


def describe_loss(counted: CountedLoss) -> str:
    """Return a line with the table, the number of rows and the columns of a loss."""
    loss = counted.loss
    rows = f"more than {COUNTED:,} rows" if counted.rows > COUNTED else f"{counted.rows:,} rows"
    if loss.is_whole:
        return f"{loss.table} ({rows})"
    if loss.columns:
        return f"{', '.join(loss.columns)} of {loss.table} ({rows})"
    return f"values of {loss.table} where {' '.join(loss.condition.split())} ({rows})"
