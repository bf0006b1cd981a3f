"""The server as its own process, as an operator runs it."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from demo.processes import is_up

START_SECONDS = 120.0
METRICS_TOKEN = "a-token-for-tests-of-metrics"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class ServerProcess:
    """`rts-agents serve` on a port of its own; of other code where `folder` has some."""

    folder: Path | None = None

    def __init__(self, database: str, key_file: Path, port: int, log: Path, *arguments: str, **settings: str) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self._environment = os.environ | {
            "DATABASE_URL": database, "RTS_KEYS_FILE": str(key_file), "RTS_AGENT_CALLS_PER_MINUTE": "1000000",
            "RTS_PERSON_CALLS_PER_MINUTE": "1000000", "RTS_APPROVAL_WINDOW_MINUTES": "0",
            "RTS_PUBLIC_URL": self.url, "RTS_METRICS_TOKEN": METRICS_TOKEN,
        } | settings  # fmt: skip
        self._arguments = arguments
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "cli",
            "serve",
            "--port",
            str(self._port),
            "--exit-with-parent",
            *self._arguments,
        ]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self.folder, env=self._environment, stdin=subprocess.PIPE, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not is_up(self.url):
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.1)

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text()

    def workers(self) -> dict[int, psutil.Process]:
        """Return the server's processes by their ids, where it has several."""
        children = psutil.Process(self.pid).children()
        return {child.pid: child for child in children if "spawn_main" in " ".join(cmdline_of(child))}

    def signal(self, number: signal.Signals) -> None:
        assert self._process
        self._process.send_signal(number)

    def wait(self, seconds: float = 40) -> int:
        assert self._process
        status = self._process.wait(seconds)
        if self._process.stdin:
            self._process.stdin.close()
        return status

    def stop(self) -> None:
        if self._process and self._process.poll() is None:
            self.signal(signal.SIGKILL)
            self.wait()


def cmdline_of(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@contextmanager
def running_server(
    database: str, key_file: Path, directory: Path, *arguments: str, **settings: str
) -> Iterator[ServerProcess]:
    """Yield a server that has been started, with more arguments and settings perhaps; it is gone afterwards."""
    server = ServerProcess(database, key_file, free_port(), directory / "serve.log", *arguments, **settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()
