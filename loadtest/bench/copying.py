"""The same rows by COPY, as fast as the database takes them: by psql where there is one, else by psycopg."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import asyncpg
import psycopg

from db.sql import load_beside

QUERIES = load_beside(__file__, "bulk.sql")
BLOCK = 1024 * 1024


def find_psql() -> str | None:
    """Return psql's path: of the environment variable PSQL, or the one in PATH."""
    return os.environ.get("PSQL") or shutil.which("psql")


async def write_file(connection: asyncpg.Connection, path: Path) -> None:
    """Write all samples in COPY's binary form."""
    await connection.copy_from_query(QUERIES["all_samples"], output=path, format="binary")


def copy_file(dsn: str, path: Path, psql: str | None) -> float:
    """Load a file into the hypertable and return the seconds that it took, without connecting."""
    return copy_by_psql(dsn, path, psql) if psql else copy_by_psycopg(dsn, path)


def copy_by_psql(dsn: str, path: Path, psql: str) -> float:
    r"""Run \copy and return its time by psql's own clock."""
    command = [psql, dsn, "-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", r"\timing on"]
    done = subprocess.run(  # noqa: S603
        [*command, "-c", rf"\copy agent_metrics FROM '{path}' WITH (FORMAT BINARY)"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return float(done.stdout.partition("Time: ")[2].split()[0].replace(",", ".")) / 1000


def copy_by_psycopg(dsn: str, path: Path) -> float:
    """COPY through libpq's Python binding: the same protocol without psql."""
    with psycopg.connect(dsn) as connection, connection.cursor() as cursor, path.open("rb") as file:
        began = time.perf_counter()
        with cursor.copy(QUERIES["copy_samples"].encode()) as copy:
            while block := file.read(BLOCK):
                copy.write(block)
        connection.commit()
        return time.perf_counter() - began
