"""A restore drill: a backup is restored beside the database, compared, tried, and dropped again."""

import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import psycopg

from db.backup.dump import backup, note_run
from db.backup.manifest import query, read_manifest
from db.backup.restore import connect, drop_database, restore
from db.backup.tools import at_database


@dataclass(frozen=True, slots=True)
class Drill:
    """The result of a drill; times in seconds. `faults` is empty if the restore is proven."""

    backup_seconds: float
    restore_seconds: float
    rows: int
    tables: int
    dump_bytes: int
    taken_at: datetime
    faults: list[str]


def drill(url: str, now: datetime, *, dump: Path | None = None, server: str = "", folder: str = "") -> Drill:
    """Prove that a backup can be restored: a new one of `url`, or `dump`; on the server of `url`, or on `server`.

    The copy is dropped in any case. Raises what `backup` and `restore` raise.
    """
    with tempfile.TemporaryDirectory(prefix="rts-drill-") as place:
        began = time.perf_counter()
        file = dump or Path(place) / "drill.dump"
        manifest = read_manifest(file) if dump else backup(url, file, now, folder=folder)
        backup_seconds = 0.0 if dump else time.perf_counter() - began
        copy = beside(server or url)
        try:
            restored = restore(copy, file, now, folder=folder)
            faults = [*restored.faults, *try_copy(copy)]
        finally:
            drop_database(copy)
    done = Drill(
        backup_seconds, restored.seconds, sum(manifest.contents.rows.values()), len(manifest.contents.rows),
        manifest.dump_bytes, manifest.at, faults,
    )  # fmt: skip
    details = {"taken_at": manifest.at, "rows": done.rows, "faults": faults, "restore_seconds": restored.seconds}
    note_run(url, "drill", now, time.perf_counter() - began, manifest.dump_bytes, is_good=not faults, details=details)
    return done


def beside(url: str) -> str:
    """Return the URL of a database that does not exist yet, under a new name."""
    return at_database(url, f"rts_drill_{uuid4().hex[:8]}")


def try_copy(url: str) -> list[str]:
    """Write into the copy: keys refuse a repeated sample, and a refresh runs. Returns what does not work."""
    faults = []
    with connect(url, autocommit=True) as connection:
        with suppress(psycopg.errors.UniqueViolation):
            query(connection, "repeat_a_sample")
            faults += ["agent_metrics accepts the same sample twice: its primary key is missing"] * bool(
                query(connection, "count_repeated")[0][0]
            )
        try:
            query(connection, "refresh_a_rollup")
        except psycopg.Error as error:
            faults.append(f"agent_metrics_5m cannot be refreshed: {error}")
    return faults
