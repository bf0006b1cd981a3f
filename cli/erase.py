"""`rts-agents erase`: erase a device or a customer at every level, or a person's name, and prove it."""

import asyncio
import getpass
import json
import platform
from typing import Annotated
from uuid import UUID

import typer
from rich.console import Console
from rich.table import Table

from cli.connection import with_connection
from cli.fitting import print_table
from cli.settings import settings_with_database
from core.clock import utc_now
from db.environment import confirm_target
from db.pools import Connection
from devices.erasure.requests import ErasureRequest, cancel_erasure, list_erasures, read_certificate, request_erasure
from devices.erasure.scope import ErasedSubject, count_audit, count_subject
from devices.erasure.work import prove_due, run_waiting

app = typer.Typer(
    help="Erase a device or a customer at every level, or a person, with a certificate.\n\n"
    "Example: rts-agents erase device 2f… --dry-run",
    no_args_is_help=True,
)

DryRun = Annotated[bool, typer.Option("--dry-run", help="count only, change nothing")]
Reason = Annotated[str, typer.Option(help="why, for the certificate and the audit trail")]
By = Annotated[str, typer.Option(help="who asks; by default the user of this session")]
Database = Annotated[str, typer.Option(help="name of the database, to confirm; not needed with --dry-run")]


@app.command()
def device(device_id: UUID, reason: Reason = "", by: By = "", database: Database = "", dry_run: DryRun = False) -> None:
    """Erase a device: it is refused at once, and deleted at the next run.

    Example: rts-agents erase device 2f… --reason "customer's request 1234" --database rts
    """
    order_erasure(ErasedSubject("device", device_id), reason, by, database, dry_run)


@app.command()
def business(
    business_id: UUID, reason: Reason = "", by: By = "", database: Database = "", dry_run: DryRun = False
) -> None:
    """Erase a customer: all its devices, rules and views. The platform's own rows stay: users, tickets, the business.

    Example: rts-agents erase business 77… --dry-run
    """
    order_erasure(ErasedSubject("business", business_id), reason, by, database, dry_run)


@app.command()
def person(person_id: UUID, reason: Reason = "", by: By = "", database: Database = "", dry_run: DryRun = False) -> None:
    """Erase an employee's or user's name and address from all records. The audit trail keeps the id.

    Do it while the platform still has the person. Example: rts-agents erase person 5c… --dry-run
    """
    order_erasure(ErasedSubject("person", person_id), reason, by, database, dry_run)


@app.command()
def orphans(reason: Reason = "", by: By = "", database: Database = "", dry_run: DryRun = False) -> None:
    """Erase measurements of devices that no longer exist, because the platform deleted their customer.

    Example: rts-agents erase orphans --dry-run
    """
    order_erasure(ErasedSubject("orphans"), reason, by, database, dry_run)


@app.command("list")
def list_all() -> None:
    """List all erasures, the newest first; times in UTC.

    Example: rts-agents erase list
    """
    table = Table("number", "subject", "devices", "state", "requested", "by", "reason", "erased", "proven")
    for row in asyncio.run(with_connection(list_erasures)):
        times = [f"{row[name]:%Y-%m-%d %H:%M}" if row[name] else "-" for name in ("erased_at", "proven_at")]
        subject = f"{row['subject_kind']} {row['subject_id'] or ''}".strip()
        table.add_row(
            str(row["id"]), subject, str(row["devices"]), row["state"], f"{row['requested_at']:%Y-%m-%d %H:%M}",
            row["requested_by"], row["reason"], *times,
        )  # fmt: skip
    print_table(table)


@app.command()
def show(number: int) -> None:
    """Print the certificate of an erasure as JSON: keep it outside of the database.

    Example: rts-agents erase show 7 > erasure-7.json
    """
    certificate = asyncio.run(with_connection(lambda one: read_certificate(one, number)))
    typer.echo(json.dumps(certificate, indent=2, default=str))


@app.command()
def cancel(number: int, by: By = "") -> None:
    """Cancel an erasure of which nothing is deleted yet; its devices stay deleted until they are restored.

    Example: rts-agents erase cancel 7
    """
    asyncio.run(with_connection(lambda one: cancel_erasure(one, number, by or current_user(), utc_now())))
    typer.echo(f"Erasure {number} is cancelled.")


@app.command()
def run() -> None:
    """Run all waiting erasures now; the worker runs them at RTS_ERASURE_HOUR. After an interruption run it again.

    Example: rts-agents erase run
    """
    done, proven = asyncio.run(with_connection(run_all))
    typer.echo(f"Erased: {', '.join(map(str, done)) or 'nothing'}. Proven: {', '.join(map(str, proven)) or 'nothing'}.")
    if done:
        typer.echo("The worker counts again in an hour; `rts-agents erase show` then has the proof.")


def order_erasure(subject: ErasedSubject, reason: str, by: str, database: str, dry_run: bool) -> None:
    """Show what an erasure would delete, or request it."""
    if dry_run:
        counts, audit = asyncio.run(with_connection(lambda one: count(one, subject)))
        print_counts(counts, audit)
        return
    if not reason or not database:
        raise typer.BadParameter("--reason and --database are needed, or --dry-run")
    settings = settings_with_database()
    confirm_target(settings.database_url, database, settings.environment)
    request = ErasureRequest(reason, by or current_user(), utc_now())
    number = asyncio.run(with_connection(lambda one: request_erasure(one, subject, request)))
    refused = "" if subject.kind == "person" else ", its devices are refused"
    typer.echo(f"Erasure {number} waits{refused}. `rts-agents erase run` deletes now, or the worker does.")


async def count(connection: Connection, subject: ErasedSubject) -> tuple[dict[str, int], int]:
    """Return rows by table, and rows of the audit trail, which stay."""
    return dict(await count_subject(connection, subject)), await count_audit(connection, subject)


async def run_all(connection: Connection) -> tuple[list[int], list[int]]:
    """Run the waiting erasures, and recount those that are due; return the numbers of both."""
    done = await run_waiting(connection, utc_now())
    return done, await prove_due(connection, utc_now())


def print_counts(counts: dict[str, int], audit: int) -> None:
    """Print what would be deleted."""
    table = Table("table", title="Would be deleted (dry run)", title_justify="left")
    table.add_column("rows", justify="right")
    for name, rows in sorted(counts.items()):
        table.add_row(name, f"{rows:,}")
    table.add_row("in all", f"{sum(counts.values()):,}")
    Console().print(table)
    typer.echo(f"Stays: {audit:,} rows of the audit trail, the platform's own rows, and backups that you keep.")


def current_user() -> str:
    """Return the user of this session and the machine."""
    return f"{getpass.getuser()}@{platform.node()}"
