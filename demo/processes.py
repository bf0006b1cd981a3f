"""The demo's processes: started in order, ended in the other order, by their ids; none outlives the demo."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import IO, ClassVar
from urllib.parse import urlsplit

from core.errors import RtsError

STOP_SECONDS = 30.0


class DemoFailedError(RtsError):
    """A process of the demo ended by itself or does not answer."""

    code: ClassVar[str] = "demo_failed"


class Processes:
    """`rts-agents` commands as child processes, each with its own log."""

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs = logs
        self._environment = os.environ | environment
        self._running: list[tuple[str, subprocess.Popen[bytes], IO[bytes]]] = []
        self._may_end: set[str] = set()

    def start(self, name: str, *arguments: str, may_end: bool = False) -> None:
        """Start `rts-agents name arguments…`; its output goes to `<logs>/<name>.log`.

        The demo continues without one that may end.

        In its own session, so that Ctrl-C reaches only the demo, which then stops all in order; with its
        standard input held open by the demo, so that it ends even if the demo is killed.
        """
        log = (self._logs / f"{name}.log").open("ab")
        command = [sys.executable, "-m", "cli", name, *arguments, "--exit-with-parent"]
        process = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=self._environment,
            start_new_session=True,
        )
        self._running.append((name, process, log))
        if may_end:
            self._may_end.add(name)

    def check(self) -> list[str]:
        """Return what is to be said of processes that ended by themselves and may: each once, with its last line.

        Raises DemoFailedError when another one has ended, with the end of its log.
        """
        messages = []
        for name, process, file in [one for one in self._running if one[1].poll() is not None]:
            log = self._logs / f"{name}.log"
            lines = log.read_text().splitlines()[-5:]
            if name not in self._may_end:
                end = "\n".join(lines)
                raise DemoFailedError(f"{name} ended with status {process.returncode}; the end of {log}:\n{end}")
            self._running.remove((name, process, file))
            release(process, file)
            messages.append(f"{name} ended: {lines[-1] if lines else ''} (the log is {log})")
        return messages

    def pids(self) -> dict[str, int]:
        """Return the process ids of those that run, by name."""
        return {name: process.pid for name, process, _ in self._running}

    def stop(self) -> None:
        """End all, the last started first; one that doesn't end in half a minute is killed."""
        while self._running:
            _, process, log = self._running.pop()
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            release(process, log)


def release(process: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    """Close the files of a process that has ended."""
    if process.stdin:
        process.stdin.close()
    log.close()


def is_up(base_url: str) -> bool:
    """Return whether the server at `http://host:port` answers that it is well.

    Without httpx: each new client of it reads all certificates, and this is asked often while a server starts.
    """
    address = urlsplit(base_url)
    connection = HTTPConnection(address.hostname or "", address.port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def wait_until(answers: Callable[[], bool], processes: Processes, seconds: float) -> None:
    """Wait until `answers()`; raises DemoFailedError when a process ends or time runs out."""
    deadline = time.monotonic() + seconds
    while not answers():
        if ended := processes.check():
            raise DemoFailedError(ended[0])
        if time.monotonic() > deadline:
            raise DemoFailedError(f"no answer within {seconds:.0f} seconds")
        time.sleep(0.1)
