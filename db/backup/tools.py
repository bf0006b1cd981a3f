"""pg_dump and pg_restore: found on the PATH or in RTS_POSTGRES_BIN, never older than the server."""

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit, urlunsplit

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from core.errors import RtsError

SHOWN_LINES = 5
RIGHTS = ". Use the DATABASE_URL of the owner of the tables, or of a superuser"


class BackupToolError(RtsError):
    """pg_dump or pg_restore is missing or too old: install PostgreSQL's client programs, or set RTS_POSTGRES_BIN."""

    code: ClassVar[str] = "backup_tool"


def find_tool(name: str, server: int, folder: str = "") -> Path:
    """Return the path of `pg_dump` or `pg_restore`, of the server's major version or newer.

    `folder` is RTS_POSTGRES_BIN, empty for the PATH. Raises BackupToolError.
    """
    path = shutil.which(name, path=folder or None)
    if path is None:
        raise BackupToolError(
            f"{name} is not {f'in {folder}' if folder else 'on the PATH'}: install the package "
            f"postgresql-client-{server}, or set RTS_POSTGRES_BIN to the folder that has it."
        )
    version_text = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    version = re.search(r"\d+", version_text)
    if version is None or int(version.group()) < server:
        raise BackupToolError(
            f"{path} is {version_text.strip()}, older than the server's {server}: install "
            f"postgresql-client-{server}, or set RTS_POSTGRES_BIN to the folder of a newer one."
        )
    return Path(path)


def run_tool(tool: Path, url: str, *arguments: str) -> None:
    """Run it on a database; the password is passed in the environment, which `ps` does not show.

    Raises BackupToolError with the last lines of its output.
    """
    parts = conninfo_to_dict(url)
    secret = parts.pop("password", None)
    password = {"PGPASSWORD": str(secret)} if secret else {}
    target = make_conninfo(**{name: str(value) for name, value in parts.items() if value is not None})
    command = [str(tool), "--no-password", f"--dbname={target}", *arguments]
    ended = subprocess.run(command, env=os.environ | password, capture_output=True, text=True, check=False)  # noqa: S603
    if ended.returncode:
        errors = [line for line in ended.stderr.splitlines() if "error:" in line] or ended.stderr.splitlines()
        rights = RIGHTS if "permission denied" in ended.stderr else ""
        raise BackupToolError(f"{tool.name} failed: {' / '.join(errors[:SHOWN_LINES])}{rights}")


def at_database(url: str, name: str) -> str:
    """Return the URL of another database on the same server; settings of the session stay as they are written."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def database_name(url: str) -> str:
    return str(conninfo_to_dict(url).get("dbname", ""))
