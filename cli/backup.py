"""`rts-agents db backup`, `restore` and `drill`: a backup with a manifest, and the proof that it can be restored."""

from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal

from auth.keys import RINGS, KeyFile
from cli.settings import settings_with_database
from core.clock import utc_now
from core.settings import Settings
from db.backup.drill import drill
from db.backup.dump import backup, write_private
from db.backup.manifest import manifest_path, read_manifest
from db.backup.restore import check_against, restore, start_jobs
from db.backup.tools import database_name

File = Annotated[Path, typer.Argument(help="the dump; its manifest is beside it, with .json at the end")]


def register(app: typer.Typer) -> None:
    """Add the commands to `rts-agents db`."""
    app.command("backup")(take_backup)
    app.command("restore")(restore_backup)
    app.command("start-jobs")(resume)
    app.command("drill")(run_drill)


def take_backup(
    dump: File,
    keys: Annotated[bool, typer.Option("--keys", help="copy the signing keys too, to FILE.keys")] = False,
) -> None:
    """Dump the database with pg_dump, and count the rows of the same snapshot, which a restore must bring back.

    Uploads continue. All files have mode 600. The embedded database has no dump: docs/recovery.md.

    Example: rts-agents db backup /backup/rts-2026-11-28.dump --keys
    """
    settings = settings_with_database()
    file = settings.keys_file
    key_ids = [key for ring in RINGS for key in KeyFile(file).ring(ring).keys] if file.exists() else []
    manifest = backup(settings.database_url, dump, utc_now(), folder=settings.postgres_bin, key_ids=key_ids)
    rows = sum(manifest.contents.rows.values())
    typer.echo(
        f"{dump}: {decimal(manifest.dump_bytes)}, {rows:,} rows of {len(manifest.contents.rows)} tables and rollups."
    )
    typer.echo(f"{manifest_path(dump)}: keep it beside the dump, `db restore` compares with it.")
    if keys:
        copy = dump.with_name(dump.name + ".keys")
        write_private(copy, settings.keys_file.read_bytes())
        typer.echo(f"{copy}: the signing keys. Their holder can sign tokens of any device.")
    else:
        typer.echo(f"Keep {settings.keys_file} too (or use --keys): without it every device must register again.")


def restore_backup(
    dump: File,
    database: Annotated[str, typer.Option(help="name of the database to restore into, as in DATABASE_URL")],
    start: Annotated[bool, typer.Option("--start-jobs", help="schedule the jobs when everything is there")] = False,
    without_owners: Annotated[bool, typer.Option("--no-owner", help="leave out owners and grants")] = False,
    check: Annotated[bool, typer.Option("--check", help="compare only: it was restored by other means")] = False,
) -> None:
    """Restore a backup into the database of DATABASE_URL, empty or absent, and compare it with its manifest.

    Jobs stay paused, because retention would drop old chunks. Exit status 1 if anything is missing.

    Example: DATABASE_URL=postgresql://…/restored rts-agents db restore rts.dump --database restored
    """
    settings = settings_for(database)
    if check:
        compare(settings.database_url, dump)
        return
    done = restore(
        settings.database_url, dump, utc_now(), folder=settings.postgres_bin, without_owners=without_owners
    )  # fmt: skip
    rows, tables = sum(done.manifest.contents.rows.values()), len(done.manifest.contents.rows)
    for fault in done.faults:
        typer.echo(f"! {fault}")
    if done.faults:
        typer.echo(f"The restore is NOT complete ({len(done.faults)} faults): drop {database} and restore again.")
        raise typer.Exit(1)
    typer.echo(
        f"Restored in {done.seconds:.1f} s: {rows:,} rows of {tables} tables and rollups, as the backup counted."
    )
    if start:
        typer.echo(f"{start_jobs(settings.database_url, done.manifest)} jobs are scheduled again.")
    else:
        typer.echo(
            f"All jobs are paused: `rts-agents db start-jobs {dump} --database {database}` schedules them as they were."
        )


def compare(url: str, dump: Path) -> None:
    """Print the differences between a database and a backup; exit status 1 if there are any."""
    manifest = read_manifest(dump)
    faults = check_against(url, manifest)
    for fault in faults:
        typer.echo(f"! {fault}")
    rows, tables = sum(manifest.contents.rows.values()), len(manifest.contents.rows)
    typer.echo(f"{rows:,} rows of {tables} tables and rollups compared: {len(faults)} faults.")
    if faults:
        raise typer.Exit(1)


def resume(
    dump: File, database: Annotated[str, typer.Option(help="name of the restored database, as in DATABASE_URL")]
) -> None:
    """Schedule the jobs of a restored database as its backup had them: refresh, columnstore, retention.

    Example: DATABASE_URL=postgresql://…/restored rts-agents db start-jobs rts.dump --database restored
    """
    started = start_jobs(settings_for(database).database_url, read_manifest(dump))
    typer.echo(f"{started} jobs are scheduled again.")


def settings_for(database: str) -> Settings:
    """Return the settings if DATABASE_URL leads to the database of this name; raises typer.BadParameter."""
    settings = settings_with_database()
    name = database_name(settings.database_url)
    if name != database:
        raise typer.BadParameter(f"DATABASE_URL leads to the database {name}, not {database}: nothing was done")
    return settings


def run_drill(
    dump: Annotated[Path | None, typer.Option("--backup", help="prove this backup instead of a new one")] = None,
    server: Annotated[str, typer.Option(help="URL of another server for the copy; its database is not touched")] = "",
) -> None:
    """Restore a backup into a copy, compare it, write into it, and drop it: the proof that a restore works.

    Needs a superuser and as much free disk as the database has. Exit status 1 when anything is missing. `db status`
    shows when the last drill was.

    Example: rts-agents db drill --backup /backup/rts-2026-11-28.dump
    """
    settings = settings_with_database()
    done = drill(settings.database_url, utc_now(), dump=dump, server=server, folder=settings.postgres_bin)
    typer.echo(f"Backup of {done.taken_at:%Y-%m-%d %H:%M} UTC, {decimal(done.dump_bytes)}.")
    if not dump:
        typer.echo(f"Taken in {done.backup_seconds:.1f} s.")
    typer.echo(f"Restored in {done.restore_seconds:.1f} s and compared: {done.rows:,} rows of {done.tables} tables.")
    for fault in done.faults:
        typer.echo(f"! {fault}")
    if done.faults:
        raise typer.Exit(1)
    typer.echo(
        "The primary key refuses a repeated sample, and a refresh runs. The restore is proven; the copy is dropped."
    )
