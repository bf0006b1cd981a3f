"""Starts and stops the embedded TimescaleDB, a Node program (`server.mjs`), as a child process.

The child ends with its parent: it watches its standard input, which the operating system closes even when the
parent dies by SIGKILL. Its standard output carries one line of JSON, "ready" or why not; everything else that it
has to say goes to a log file.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import quote

from embedded.errors import (
    DataDirectoryInUseError,
    EmbeddedEndedError,
    EmbeddedError,
    EmbeddedPackagesMissingError,
    EmbeddedStartFailedError,
    NodeMissingError,
    NodeTooOldError,
)

PROGRAM_DIR = Path(__file__).parent
NEEDED_NODE_MAJOR = 20
LOG_LINES_IN_ERROR = 15
# V8 compiles a WebAssembly function twice, the second time with optimization, when it has run this much (its unit is
# about a byte of code). Its default, 1.8 million, spends a third of a short server's CPU on functions that run rarely.
TIERING_BUDGET = 50_000_000
# A server that runs for seconds gains nothing by it: to optimize what only the start runs takes half a second.
SHORT_LIVED_BUDGET = 2_000_000_000

_ERRORS: dict[str, type[EmbeddedError]] = {
    error.code: error
    for error in (
        NodeTooOldError,
        EmbeddedPackagesMissingError,
        DataDirectoryInUseError,
        EmbeddedStartFailedError,
    )
}


class EmbeddedServer:
    """One embedded TimescaleDB on one data directory."""

    def __init__(
        self,
        data_dir: Path,
        *,
        port: int = 0,
        log_file: Path | None = None,
        idle_in_transaction_s: float = 60.0,
        short_lived: bool = False,
    ) -> None:
        """`port` 0 takes a free one; `log_file` defaults to `server.log` in the data directory.

        A client that is idle inside a transaction for `idle_in_transaction_s` seconds keeps all others waiting
        and is disconnected; 0 waits for ever. A server that is `short_lived` starts with less CPU time, but does
        the same work a fifth slower for as long as it runs.
        """
        self.data_dir = data_dir
        self.log_file = log_file or data_dir / "server.log"
        self._port = port
        self._tiering_budget = SHORT_LIVED_BUDGET if short_lived else TIERING_BUDGET
        self._options = ["--exit-with-parent", "--idle-in-transaction-seconds", str(idle_in_transaction_s)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 180.0) -> None:
        """Start the server and return when it accepts connections."""
        if self._process is not None:
            raise EmbeddedStartFailedError("This EmbeddedServer is already started: stop it first.")
        node = _node()
        _check_packages()
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.log_file.open("ab") as log:
            log_start = log.tell()
            self._process = self._spawn(node, log)
        try:
            self._port = int(self._first_line(timeout_s, log_start)["port"])
        except BaseException:
            self.kill()
            raise

    @property
    def dsn(self) -> str:
        """The connection string, for asyncpg and libpq alike."""
        password = (self.data_dir / "password").read_text().strip()
        return f"postgresql://postgres:{quote(password)}@127.0.0.1:{self._port}/postgres?sslmode=disable"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise EmbeddedStartFailedError("The embedded TimescaleDB is not running: call start() first.")
        return self._process.pid

    def check(self) -> None:
        """Raise EmbeddedEndedError when the server has ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise EmbeddedEndedError(
                f"The embedded TimescaleDB ended with status {self._process.returncode}: read {self.log_file}, "
                "then start it again."
            )

    def stop(self, timeout_s: float = 30.0) -> None:
        """End the server cleanly and wait for it; kill it when it takes longer than `timeout_s` seconds."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._reap()

    def kill(self) -> None:
        """End the server at once, as a crash would, and wait for it."""
        if self._process is None:
            return
        self._process.kill()
        self._reap()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, node: str, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start the Node program; a new session keeps a Ctrl-C in the terminal away from it."""
        program = [node, f"--wasm-tiering-budget={self._tiering_budget}", str(PROGRAM_DIR / "server.mjs")]
        return subprocess.Popen(  # noqa: S603
            [*program, "--data-dir", str(self.data_dir), "--port", str(self._port), *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None

    def _first_line(self, timeout_s: float, log_start: int) -> dict[str, Any]:
        """Return the server's answer to having been started, or raise the error that it names."""
        line = self._read_line(timeout_s)
        if line is None:
            raise EmbeddedStartFailedError(f"The embedded TimescaleDB did not start within {timeout_s:g} s.")
        answer: dict[str, Any] = json.loads(line) if line else {}
        if answer.get("ready"):
            return answer
        problem = answer.get("error", {"code": "embedded_start_failed", "message": "The server process ended."})
        error = _ERRORS.get(problem["code"], EmbeddedStartFailedError)
        if error is EmbeddedStartFailedError:
            tail = _log_tail(self.log_file, log_start)
            raise error(f"The embedded TimescaleDB did not start: {problem['message']}\n{tail}")
        raise error(problem["message"])

    def _read_line(self, timeout_s: float) -> bytes | None:
        """Return the first line of standard output, b"" if the process ended without one, None when time is up."""
        assert self._process is not None
        assert self._process.stdout is not None
        out = self._process.stdout.fileno()
        until = time.monotonic() + timeout_s
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([out], [], [], max(0.0, until - time.monotonic()))[0]:
                return None
            chunk = os.read(out, 65536)
            if not chunk:
                return line
            line += chunk
        return line


def _node() -> str:
    """Return the path of a Node that is new enough."""
    node = shutil.which("node")
    if node is None:
        raise NodeMissingError
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False)  # noqa: S603
    version = answer.stdout.strip()
    major = version.removeprefix("v").split(".")[0]
    if not major.isdigit() or int(major) < NEEDED_NODE_MAJOR:
        raise NodeTooOldError(
            f"Node.js {version or 'of unknown version'} at {node} is too old: install Node "
            f"{NEEDED_NODE_MAJOR} or newer, or set DATABASE_URL."
        )
    return node


def _check_packages() -> None:
    if not (PROGRAM_DIR / "node_modules" / "@unni-craftsman" / "pglite" / "package.json").is_file():
        raise EmbeddedPackagesMissingError


def _log_tail(log_file: Path, start: int) -> str:
    """Return the last lines that this start wrote to the log file."""
    with log_file.open("rb") as log:
        log.seek(start)
        lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-LOG_LINES_IN_ERROR:])
