"""A restore by TimescaleDB's procedure, with all jobs paused, and the check of what came back."""

import asyncio
import re
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar

import asyncpg
import psycopg

from core.errors import RtsError
from db.backup.dump import note_run
from db.backup.manifest import Manifest, differences, query, read_contents, read_manifest
from db.backup.tools import BackupToolError, at_database, database_name, find_tool, run_tool
from db.migrations.run import head
from db.missing_parts import find_missing
from db.pools import DatabaseUnavailableError

MISSING_ROLE = re.compile(r'role "[^"]*" does not exist')


class RestoreRefusedError(RtsError):
    """This restore cannot begin: nothing was changed."""

    code: ClassVar[str] = "restore_refused"


class RestoreIncompleteError(RtsError):
    """pg_restore failed, and the database has only a part of the backup: drop it and restore again."""

    code: ClassVar[str] = "restore_incomplete"


@dataclass(frozen=True, slots=True)
class Restored:
    """The result of a restore: `faults` is empty if it is complete; `jobs_run` is False while jobs are paused."""

    manifest: Manifest
    seconds: float
    faults: list[str]
    jobs_run: bool = False


def restore(url: str, dump: Path, now: datetime, *, folder: str = "", without_owners: bool = False) -> Restored:
    """Restore a dump into the empty or absent database of `url` and compare it with its manifest; jobs stay paused.

    Needs a superuser. Raises RestoreRefusedError, ManifestError or BackupToolError before anything is made, and
    RestoreIncompleteError after that: the database that it leaves is to be dropped.
    """
    manifest = read_manifest(dump)
    tool = find_tool("pg_restore", manifest.postgres, folder)  # before anything is made
    began = time.perf_counter()
    check_version(url, manifest)
    make_database(url)
    prepare(url, manifest)
    owners = ("--no-owner", "--no-acl") if without_owners else ()
    try:
        run_tool(tool, url, *owners, "--exit-on-error", str(dump))  # never with --jobs: the catalog needs its order
    except BackupToolError as error:
        raise RestoreIncompleteError(what_next(str(error), database_name(url))) from error
    open_paused(url)
    faults = check_against(url, manifest)
    seconds = time.perf_counter() - began
    note_run(url, "restore", now, seconds, manifest.dump_bytes, is_good=not faults, details={"faults": faults})
    return Restored(manifest, seconds, faults)


def what_next(failure: str, name: str) -> str:
    """Return what to do after a failure of pg_restore, which has left the database of this name half restored."""
    advice = ""
    if MISSING_ROLE.search(failure):
        advice = (
            " Create the roles of the backup before (`rts-agents db roles --apply` those of this product), or leave "
            "owners and grants out with --no-owner."
        )
    return f"{failure}. The database {name} has only a part of the backup: drop it and restore again.{advice}"


def check_version(url: str, manifest: Manifest) -> None:
    """Raise RestoreRefusedError unless the server offers the version of TimescaleDB of the backup."""
    version = manifest.contents.timescaledb
    with connect(at_postgres(url)) as connection:
        if not query(connection, "offers_version", version=version)[0][0]:
            raise RestoreRefusedError(
                f"This server does not have TimescaleDB {version}, the version of the backup: install it, restore, and "
                "upgrade the extension afterwards."
            )


def make_database(url: str) -> None:
    """Make the database of `url` if there is none; raises RestoreRefusedError unless it is then empty."""
    name = database_name(url)
    with connect(at_postgres(url), autocommit=True) as connection:
        if not query(connection, "is_superuser")[0][0]:
            raise RestoreRefusedError("A restore writes TimescaleDB's catalog: connect as a superuser.")
        if not query(connection, "find_database", name=name)[0][0]:
            connection.execute(query(connection, "compose_create", name=name)[0][0])
    with connect(url) as connection:
        if not query(connection, "is_empty")[0][0]:
            raise RestoreRefusedError(
                f"The database {name} is not empty: name one that is empty or absent. If it is what a failed restore "
                f'left, drop it first: DROP DATABASE "{name}".'
            )


def prepare(url: str, manifest: Manifest) -> None:
    """Make the extension in the version of the backup and begin the restore."""
    with connect(url, autocommit=True) as connection:
        connection.execute(query(connection, "compose_extension", version=manifest.contents.timescaledb)[0][0])
    with connect(url, autocommit=True) as connection:
        query(connection, "begin_restore")


def open_paused(url: str) -> None:
    """End the restore with every job paused, because retention would drop old chunks."""
    with connect(url, autocommit=True) as connection:
        query(connection, "allow_jobs_to_change")
        query(connection, "pause_jobs")
    with connect(url, autocommit=True) as connection:
        query(connection, "end_restore")
        query(connection, "analyze")


def check_against(url: str, manifest: Manifest) -> list[str]:
    """Return a sentence for everything in which the database of `url` differs from a backup, or lacks a part."""
    with connect(url) as connection:
        faults = list(differences(manifest.contents, read_contents(connection)))
    missing = asyncio.run(_missing(url)) if manifest.contents.revision == head() else []
    return [*missing, *faults]


async def _missing(url: str) -> list[str]:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        return await find_missing(connection)
    finally:
        await connection.close()


def start_jobs(url: str, manifest: Manifest) -> int:
    """Schedule the jobs that the backup had scheduled; returns how many."""
    with connect(url) as connection:
        started: int = query(connection, "start_jobs", ids=manifest.contents.scheduled)[0][0]
    return started


def drop_database(url: str) -> None:
    """Drop the database of `url` and end its connections."""
    with connect(at_postgres(url), autocommit=True) as connection:
        connection.execute(query(connection, "compose_drop", name=database_name(url))[0][0])


def at_postgres(url: str) -> str:
    """Return the URL of the database `postgres` on the same server."""
    return at_database(url, "postgres")


def connect(url: str, *, autocommit: bool = False) -> psycopg.Connection[tuple[object, ...]]:
    """Return a connection; raises DatabaseUnavailableError."""
    try:
        return psycopg.connect(url, autocommit=autocommit, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailableError(str(error).strip()) from error
