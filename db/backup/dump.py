"""A backup: pg_dump in a snapshot in which everything is counted too."""

import os
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import psycopg

from core.errors import RtsError
from db.backup.manifest import Contents, Manifest, file_sha256, manifest_path, query, read_contents
from db.backup.tools import find_tool, run_tool

MODE = 0o600


class BackupRefusedError(RtsError):
    """This backup cannot be taken."""

    code: ClassVar[str] = "backup_refused"


def backup(url: str, dump: Path, now: datetime, *, folder: str = "", key_ids: Sequence[str] = ()) -> Manifest:
    """Write a dump and its manifest, both of mode 600; uploads continue meanwhile. `folder`: RTS_POSTGRES_BIN.

    Raises BackupRefusedError for the embedded server or a file that exists, and BackupToolError.
    """
    for file in (dump, manifest_path(dump)):
        if file.exists():
            raise BackupRefusedError(f"{file} exists: a backup never replaces another one.")
    part = dump.with_name(dump.name + ".part")
    began = time.perf_counter()
    try:
        manifest = _dump(url, part, now, folder, key_ids)
        part.rename(dump)
    finally:
        part.unlink(missing_ok=True)
    write_private(manifest_path(dump), msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    note_run(url, "backup", now, time.perf_counter() - began, manifest.dump_bytes, is_good=True)
    return manifest


def _dump(url: str, part: Path, now: datetime, folder: str, key_ids: Sequence[str]) -> Manifest:
    with psycopg.connect(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        database, postgres, _, size, embedded = query(connection, "describe_database")[0]
        if embedded:
            raise BackupRefusedError(
                "The embedded database has no pg_dump: stop it and copy its folder (.rts/timescaledb); "
                "docs/recovery.md describes its limits."
            )
        tool = find_tool("pg_dump", postgres, folder)
        write_private(part, b"")
        snapshot = query(connection, "export_snapshot")[0][0]
        run_tool(tool, url, "--format=custom", f"--snapshot={snapshot}", f"--file={part}")
        contents: Contents = read_contents(connection)
    return Manifest(
        database, now, postgres, size, part.stat().st_size, file_sha256(part), sorted(key_ids), contents
    )  # fmt: skip


def write_private(file: Path, content: bytes) -> None:
    """Write a new file that only its owner reads; raises FileExistsError."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE), "wb") as opened:
        opened.write(content)


def note_run(
    url: str, kind: str, at: datetime, seconds: float, size: int, *, is_good: bool, details: Any = None
) -> None:
    """Note a backup, restore or drill in the database that it is of; `size` in bytes."""
    body = msgspec.json.encode(details or {}).decode()
    with psycopg.connect(url) as connection:
        query(connection, "note_run", kind=kind, at=at, seconds=seconds, bytes=size, is_good=is_good, details=body)
