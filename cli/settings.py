"""The start of every command: settings with a database, and a readable log."""

import logging
import re
import time
from typing import ClassVar
from urllib.parse import urlsplit

from cli.faults import ENCODED
from core.errors import RtsError
from core.settings import Settings, get_settings

# A query parameter whose name is `token`, however its letters are written.
TOKEN = re.compile(r"([?&](?:t|%74|%54)(?:o|%6f|%4f)(?:k|%6b|%4b)(?:e|%65|%45)(?:n|%6e|%4e)=)[^&\s\"]+", re.IGNORECASE)


class NoDatabaseError(RtsError):
    """Set DATABASE_URL=postgresql://user:password@host:5432/name, or start a database: `rts-agents db embedded`."""

    code: ClassVar[str] = "no_database_url"


class DatabaseUrlError(RtsError):
    """DATABASE_URL cannot be read: write it as postgresql://user:password@host:5432/name."""

    code: ClassVar[str] = "invalid_database_url"


def settings_with_database() -> Settings:
    """Return the settings; raises NoDatabaseError when DATABASE_URL is not set, DatabaseUrlError for a broken one."""
    settings = get_settings()
    if not settings.database_url:
        raise NoDatabaseError
    check_url(settings.database_url)
    return settings


def check_url(url: str) -> None:
    """Raise DatabaseUrlError for a URL that no driver can read; the message does not repeat it, with its password."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres"):
        raise DatabaseUrlError
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [host.rpartition("]")[2].partition(":")[2] for host in hosts]  # [::1]:5432 too
    if parts.fragment or any(port and not port.isdigit() for port in ports):
        raise DatabaseUrlError(f"{DatabaseUrlError.__doc__} {ENCODED}")


def hide_tokens(record: logging.LogRecord) -> bool:
    """Mask tokens in a log line: the server logs the path of each WebSocket, and /ws has its token there."""
    if isinstance(record.args, tuple):
        record.args = tuple(TOKEN.sub(r"\1…", part) if isinstance(part, str) else part for part in record.args)
    return True


def log_to_stderr() -> None:
    """Log to stderr with time and level; times are UTC."""
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(level=logging.INFO, format="%(asctime)sZ %(levelname)s %(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(hide_tokens)
    logging.getLogger("httpx").setLevel(logging.WARNING)
