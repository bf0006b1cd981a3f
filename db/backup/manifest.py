"""The manifest of a backup, counted in the snapshot of the dump; a restore is compared with it."""

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psycopg

from core.errors import RtsError
from db.sql import load_queries

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))
READ_BYTES = 1 << 20
NOTES = ".agent_backup_log"  # a restore is noted there


class ManifestError(RtsError):
    """This dump has no manifest, or is not the one that its manifest describes: take another backup."""

    code: ClassVar[str] = "backup_manifest"


class Contents(msgspec.Struct, frozen=True):
    """The contents of a database: rows by table, chunks by hypertable, jobs by id."""

    timescaledb: str | None
    revision: str
    rows: dict[str, int]
    chunks: dict[str, list[int]]  # chunks, and how many of them are in the columnstore
    jobs: dict[int, str]
    scheduled: list[int]


class Manifest(msgspec.Struct, frozen=True):
    """A backup: its contents and its file. Times in UTC, sizes in bytes."""

    database: str
    at: datetime
    postgres: int
    database_bytes: int
    dump_bytes: int
    sha256: str
    key_ids: list[str]
    contents: Contents


def read_contents(connection: psycopg.Connection[Any]) -> Contents:
    """Count everything; exact, so it reads every table."""
    described = query(connection, "describe_database")[0]
    counts = query(connection, "compose_counts")
    jobs = query(connection, "list_jobs")
    return Contents(
        timescaledb=described[2],
        revision=query(connection, "read_revision")[0][0],
        rows={name: connection.execute(statement).fetchall()[0][0] for name, statement in counts},
        chunks={name: [chunks, columnstore] for name, chunks, columnstore in query(connection, "list_chunks")},
        jobs={number: job for number, job, _ in jobs},
        scheduled=[number for number, _, scheduled in jobs if scheduled],
    )


def differences(backup: Contents, restored: Contents) -> Iterator[str]:
    """Yield a sentence for each difference between a database and a backup."""
    if restored.revision != backup.revision:
        yield f"the schema is at revision {restored.revision}, the backup is of {backup.revision}"
    for name, rows in backup.rows.items():
        if restored.rows.get(name) != rows and not name.endswith(NOTES):
            has = f"has {restored.rows[name]:,} rows" if name in restored.rows else "is missing"
            yield f"{name} {has}, the backup has {rows:,} rows of it"
    for name, (chunks, columnstore) in backup.chunks.items():
        actual = restored.chunks.get(name, [0, 0])
        if actual != [chunks, columnstore]:
            has = f"{actual[0]} chunks, {actual[1]} in the columnstore"
            yield f"{name}: {has}; the backup has {chunks} and {columnstore}"
    for number, job in backup.jobs.items():
        if restored.jobs.get(number) != job:
            yield f"job {number} is missing or differs: {job}"


def query(connection: psycopg.Connection[Any], name: str, /, **values: Any) -> list[tuple[Any, ...]]:
    """Run a named query of this folder's queries.sql and return its rows."""
    return run_bound(connection, QUERIES.bind(name, **values))


def run_bound(connection: psycopg.Connection[Any], bound: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Run SQL and arguments of `Queries.bind` and return the rows."""
    cursor = psycopg.RawCursor(connection)  # parameters are $1, $2 …
    sql, *arguments = bound
    cursor.execute(sql.encode(), arguments or None)
    return cursor.fetchall() if cursor.description else []


def manifest_path(dump: Path) -> Path:
    """Return where the manifest of a dump lies."""
    return dump.with_name(dump.name + ".json")


def read_manifest(dump: Path) -> Manifest:
    """Return the manifest of a dump, after its SHA-256 was compared; raises ManifestError."""
    path = manifest_path(dump)
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.MsgspecError) as error:
        raise ManifestError(f"{path} cannot be read: a restore cannot be verified without it ({error}).") from error
    if not dump.is_file() or file_sha256(dump) != manifest.sha256:
        raise ManifestError(f"{dump} is not the file that {path} describes: it is missing, cut off or changed.")
    return manifest


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while part := opened.read(READ_BYTES):
            digest.update(part)
    return digest.hexdigest()
