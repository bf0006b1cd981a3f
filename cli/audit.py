"""`rts-agents audit`: verification of the audit trail."""

import asyncio
from typing import Annotated

import asyncpg
import typer

from cli.settings import settings_with_database
from db.pools import database_errors
from db.schema_check import check_schema
from devices.audit_chain import Head, find_breaks, find_lost_head, read_head

app = typer.Typer(help="Verify the audit trail.\n\nExample: rts-agents audit verify", no_args_is_help=True)


@app.command()
def verify(
    expect: Annotated[
        list[str] | None, typer.Option(help="ROW:HASH of an earlier run or the worker's log; may be given again")
    ] = None,
) -> None:
    """Verify the chain of hashes over the audit trail: no row was changed, deleted or inserted.

    It prints the newest row and its hash: keep them on another machine and pass them to a later run, which then detects
    a rewritten chain. Exit status 1 if anything differs. Example: rts-agents audit verify --expect 1200:9f86d08…
    """
    head, faults = asyncio.run(verified(settings_with_database().database_url, expect or []))
    for fault in faults:
        typer.echo(f"! {fault}")
    typer.echo(
        f"{head.last_id}:{head.hash}"
        if head.hash
        else "No row of the audit trail is sealed yet: the worker seals them."
    )
    typer.echo(f"{head.unsealed} rows wait for the next seal; faults: {len(faults)}.", err=True)
    if faults:
        raise typer.Exit(1)


async def verified(url: str, expected: list[str]) -> tuple[Head, list[str]]:
    """Return the newest seal and the faults of the chain; raises BadParameter unless each mark is ROW:HASH."""
    marks = [parse_mark(text) for text in expected]
    with database_errors():
        connection = await asyncpg.connect(url, timeout=10)
    try:
        await check_schema(connection)
        faults = [fault async for fault in find_breaks(connection)]
        faults += [fault for mark in marks if (fault := await find_lost_head(connection, *mark))]
        return await read_head(connection), faults
    finally:
        await connection.close()


def parse_mark(text: str) -> tuple[int, str]:
    """Read `ROW:HASH`."""
    row, _, digest = text.partition(":")
    if not row.isdigit() or not digest:
        raise typer.BadParameter(f"{text!r} is not a ROW:HASH that this command printed", param_hint="--expect")
    return int(row), digest
