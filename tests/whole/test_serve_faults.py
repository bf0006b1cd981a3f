"""What keeps the server from starting is one plain line and an exit status, with one process or several: no loop."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import REAL_SERVER
from tests.whole.processes import free_port

NOWHERE = "postgresql://nobody@127.0.0.1:1/none"


def serve(key_file: Path, database: str, *arguments: str, port: int = 0, **settings: str) -> tuple[int, str]:
    """Return the exit status of `rts-agents serve` and what it said."""
    environment = os.environ | {"DATABASE_URL": database, "RTS_KEYS_FILE": str(key_file)} | settings
    command = [sys.executable, "-m", "cli", "serve", "--port", str(port or free_port()), *arguments]
    ended = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_key_file_that_is_missing(tmp_path: Path, database: str, workers: str) -> None:
    status, said = serve(tmp_path / "none.json", database, "--workers", workers)
    assert status == 1
    assert len(said.strip().splitlines()) == 1
    assert "keys create" in said


@pytest.mark.skipif(not REAL_SERVER, reason="the embedded server has one session behind all connections")
def test_more_connections_than_the_database_takes(key_file: Path, database: str) -> None:
    status, said = serve(key_file, database, "--workers", "40", RTS_POOL_SIZE="10")
    assert status == 1
    assert len(said.strip().splitlines()) == 1
    for words in ("RTS_WORKERS=40", "RTS_POOL_SIZE=10", "600 connections (15 each)", "max_connections"):
        assert words in said


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port: int = taken.getsockname()[1]
        yield port


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_that_is_taken(key_file: Path, database: str, taken_port: int, workers: str) -> None:
    status, said = serve(key_file, database, "--workers", workers, port=taken_port)
    assert status == 3
    assert "address already in use" in said.lower()


def test_a_number_of_workers_that_makes_no_sense(key_file: Path) -> None:
    status, said = serve(key_file, NOWHERE, "--workers", "0")
    assert status == 2
    assert "workers" in said
