"""The SQLite file of the agent's queue: one agent has it; while it cannot be written, its rows are in memory.

A full disk is what an agent must report, so it never ends it. A damaged file is set aside, and a new one begins.
"""

import logging
import os
import sqlite3
import time
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS samples (id INTEGER PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commands (
    id INTEGER PRIMARY KEY, command_id TEXT NOT NULL UNIQUE, started_at TEXT NOT NULL, result TEXT,
    delivered INTEGER NOT NULL DEFAULT 0
);
"""
DAMAGED = (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT)
FILE_AGAIN_SECONDS = 60.0  # between two tries to return to a file that could not be written
LOCK_SECONDS = 5.0  # how long an agent that is ending may still have the file


class StoreInUseError(Exception):
    """Another agent runs with this file."""


class AgentDatabase:
    """Rows in a file, or in memory while the file cannot be written; used by one thread."""

    def __init__(self, file: Path | None) -> None:
        """Open or create `file` (mode 600); None: in memory. Raises StoreInUseError."""
        self._file = file
        self._lock = lock(file) if file else None
        self._try_at = 0.0
        self._in_file = False
        self._database = self._open_file(file) if file else open_database(":memory:")

    def close(self) -> None:
        """Close the file and let another agent have it."""
        self._database.close()
        if self._lock:
            self._lock.close()

    def change(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """Run a statement that changes rows, and commit it."""
        try:
            return self._database.execute(statement, values)
        except sqlite3.Error as error:
            self._leave_file(error)
            return self._database.execute(statement, values)

    def read(self, statement: str, *values: Any) -> list[Any]:
        """Return the rows of a query."""
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            self._leave_file(error)
            return self._database.execute(statement, values).fetchall()

    def try_file_again(self) -> None:
        """Return to the file with all rows if it could not be written and can be now; looks once a minute."""
        if self._file is None or self._in_file or time.monotonic() < self._try_at:
            return
        self._try_at = time.monotonic() + FILE_AGAIN_SECONDS
        try:
            opened = open_database(self._file)
            try:
                self._database.backup(opened)  # in one transaction
            except sqlite3.Error:
                opened.close()
                raise
        except (OSError, sqlite3.Error) as error:
            log.warning("%s still cannot be written: %s", self._file, error)
            return
        self._database.close()
        self._database, self._in_file = opened, True
        log.info("the samples are in %s again", self._file)

    def _open_file(self, file: Path) -> sqlite3.Connection:
        """Return the opened file; memory if it cannot be written."""
        try:
            try:
                opened = open_database(file)
            except sqlite3.DatabaseError as error:
                set_aside(file, error)
                opened = open_database(file)
        except (OSError, sqlite3.Error) as error:
            self._try_at = time.monotonic() + FILE_AGAIN_SECONDS
            log.warning("%s cannot be written (%s): the samples are kept in memory", file, error)
            return read_into_memory(file)
        self._in_file = True
        return opened

    def _leave_file(self, error: sqlite3.Error) -> None:
        """Go on in memory with the rows of the file; raises the error if they are there already."""
        if self._file is None or not self._in_file or isinstance(error, sqlite3.ProgrammingError):
            raise error
        log.warning("%s cannot be written (%s): the samples are kept in memory", self._file, error)
        memory = open_database(":memory:")
        try:
            self._database.backup(memory)
        except sqlite3.Error as unreadable:
            log.warning("the samples in %s are lost: %s", self._file, unreadable)
            memory = open_database(":memory:")
        self._database.close()
        if is_damage(error):
            set_aside(self._file, error)
        self._database, self._in_file = memory, False
        self._try_at = time.monotonic() + FILE_AGAIN_SECONDS


def open_database(file: Path | str) -> sqlite3.Connection:
    """Return a database with our tables, each statement a transaction; raises OSError, sqlite3.Error."""
    if isinstance(file, Path):
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600))
    database = sqlite3.connect(file, isolation_level=None)
    try:
        database.executescript("PRAGMA journal_mode = TRUNCATE; PRAGMA synchronous = FULL;" + SCHEMA)
        database.execute("SELECT (SELECT count(*) FROM samples), (SELECT count(*) FROM commands)")  # finds damage
    except sqlite3.Error:
        database.close()
        raise
    return database


def read_into_memory(file: Path) -> sqlite3.Connection:
    """Return a copy in memory of a file that can only be read, with what it holds of our tables."""
    memory = open_database(":memory:")
    try:
        stored = sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)
        try:
            stored.backup(memory)
        finally:
            stored.close()
        memory.executescript(SCHEMA)
    except sqlite3.Error:
        return open_database(":memory:")
    return memory


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error says that the file is no database or a damaged one."""
    return getattr(error, "sqlite_errorcode", None) in DAMAGED


def set_aside(file: Path, error: sqlite3.Error) -> None:
    """Rename a damaged file; raises the error if the file is not damaged, OSError if it cannot be renamed."""
    if not is_damage(error):
        raise error
    damaged = file.with_suffix(".damaged")
    file.replace(damaged)
    log.warning("%s is damaged (%s): it is now %s, and a new one begins", file, error, damaged)


def lock(file: Path) -> sqlite3.Connection | None:
    """Lock the queue for this process until the connection is closed or the process ends, however it ends.

    The lock is that of an empty database beside the queue: SQLite has one on each platform. None if it cannot be
    written. Raises StoreInUseError.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(file.with_suffix(".lock"), timeout=LOCK_SECONDS, isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY:
            raise StoreInUseError(f"another agent runs with {file}: give each its own --state") from None
        return None
    except OSError:
        return None
    return database
