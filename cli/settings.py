"""What every command needs first: settings with a database named, and a log that people can read."""

import logging
import time
from typing import ClassVar

from db.errors import RtsError
from db.settings import Settings, get_settings


class NoDatabaseError(RtsError):
    """No database is named: set DATABASE_URL=postgresql://user:password@host:5432/name, or try `make demo`."""

    code: ClassVar[str] = "no_database_url"


def settings_with_database() -> Settings:
    """Return the settings; raises NoDatabaseError when DATABASE_URL is not set."""
    settings = get_settings()
    if not settings.database_url:
        raise NoDatabaseError
    return settings


def log_to_stderr() -> None:
    """Log to stderr with time and level; times are UTC."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=logging.INFO, format="%(asctime)sZ %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
