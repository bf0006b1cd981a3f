"""Upgrade and downgrade from Python: the same for the command line, the demo and the tests."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from psycopg import errors
from sqlalchemy.exc import DBAPIError

from core.errors import RtsError
from db.migrations.blockers import describe_blockers
from db.migrations.foreign import check_foreign_tables
from db.migrations.urls import VERSION_TABLE, sqlalchemy_url
from db.pools import DatabaseUnavailableError

__all__ = ["VERSION_TABLE", "code_revisions", "downgrade", "head", "sqlalchemy_url", "upgrade"]

WAIT_SECONDS = 60.0  # for locks, all in all
PAUSE_SECONDS = 1.0  # between two tries: what has queued behind us goes first
BUSY = (errors.LockNotAvailable, errors.DeadlockDetected)


class MigrationBlockedError(RtsError):
    """The platform's own transactions hold what the migration must lock: run it again later."""

    code: ClassVar[str] = "migration_blocked"
    status: ClassVar[int] = 503


class MigrationFailedError(RtsError):
    """The database refused a revision, which was rolled back."""

    code: ClassVar[str] = "migration_failed"


def config(database_url: str) -> Config:
    """Return Alembic's configuration; `%` in a password is escaped for its parser."""
    settings = Config()
    settings.set_main_option("script_location", str(Path(__file__).parent))
    settings.set_main_option("sqlalchemy.url", database_url.replace("%", "%%"))
    return settings


def silent(_: str) -> None:
    """Say nothing of what is waited for."""


def upgrade(
    database_url: str, revision: str = "head", *, wait: float = WAIT_SECONDS, say: Callable[[str], None] = silent
) -> None:
    """Bring the schema to `revision`; does nothing when it is there already.

    Waits at most `wait` seconds for locks and says by `say` whose. Raises ForeignTablesError, MigrationBlockedError,
    MigrationFailedError or DatabaseUnavailableError.
    """
    with_locks(lambda: check_foreign_tables(database_url), database_url, wait, say)
    with_locks(lambda: command.upgrade(config(database_url), revision), database_url, wait, say)


def downgrade(
    database_url: str, revision: str = "base", *, wait: float = WAIT_SECONDS, say: Callable[[str], None] = silent
) -> None:
    """Take the schema back to `revision`; tables that the platform had before stay untouched. Raises like upgrade."""
    with_locks(lambda: command.downgrade(config(database_url), revision), database_url, wait, say)


def with_locks(work: Callable[[], None], database_url: str, wait: float, say: Callable[[str], None]) -> None:
    """Do `work`, again while a lock can't be had: each revision is a transaction, so what is done stays done."""
    until = time.monotonic() + wait
    while True:
        try:
            return work()
        except DBAPIError as fault:
            if not isinstance(fault.orig, BUSY):
                raise failed(fault) from None
            holders = describe_blockers(database_url)
            if time.monotonic() > until:
                raise MigrationBlockedError(
                    f"No lock within {wait:.0f} s: {holders}. Revisions before this one are applied, it is not. End "
                    "that transaction, or run the command again later; it continues where it stopped."
                ) from None
            say(f"Waiting for {holders}. Trying again in {PAUSE_SECONDS:.0f} s.")
        except CommandError as fault:
            raise MigrationFailedError(f"{fault}. See `rts-agents db status` for the revisions.") from None
        time.sleep(PAUSE_SECONDS)


def failed(fault: DBAPIError) -> RtsError:
    """Return what an error of the database means for the migration."""
    message = str(fault.orig).strip().splitlines()[0] if fault.orig else str(fault)
    if fault.connection_invalidated or (isinstance(fault.orig, errors.OperationalError) and not fault.statement):
        return DatabaseUnavailableError(f"The database cannot be reached: {message}")
    advice = ""
    if isinstance(fault.orig, errors.InsufficientPrivilege):
        advice = " Run it as the owner of the database; `rts-agents db roles` shows what the owner needs."
    if isinstance(fault.orig, errors.DuplicateTable | errors.DuplicateObject):
        advice = " Another program has a table of this name: set RTS_SCHEMA to a separate schema (docs/platform.md)."
    return MigrationFailedError(f"The database refused the revision, which was rolled back: {message}.{advice}")


def head() -> str:
    """Return the newest revision of this code."""
    revision = ScriptDirectory.from_config(config("postgresql://")).get_current_head()
    assert revision is not None
    return revision


def code_revisions() -> frozenset[str]:
    """Return every revision of this code; any other is from a newer version."""
    return frozenset(one.revision for one in ScriptDirectory.from_config(config("postgresql://")).walk_revisions())
