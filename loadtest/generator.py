"""Locust as a child process: started with a plan, listened to, and ended."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, ClassVar

from core.errors import RtsError
from loadtest.plan import PLAN_VARIABLE, LoadPlan

MARK = "@load "
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
END_SECONDS = 30.0
LINES_OF_LOG = 15


class GeneratorFailedError(RtsError):
    """Locust ended without an outcome."""

    code: ClassVar[str] = "generator_failed"


@dataclass(frozen=True, slots=True)
class Page:
    """Locust's own web page instead of a headless run."""

    port: int
    host: str = "127.0.0.1"


class Generator:
    """One Locust; `progress` yields its reports until it ends."""

    def __init__(self, plan: LoadPlan, directory: Path, report: Path, page: Page | None) -> None:
        self._plan = plan
        self._log = directory / "locust.log"
        self._outcome = Path(plan.outcome)
        plan_file = directory / "plan.json"
        plan.save(plan_file)
        users = len(plan.members) + len(plan.viewers)
        command = [
            sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", plan.host, "--users", str(users),
            "--spawn-rate", str(users), "--html", str(report), "--only-summary", "--loglevel", "WARNING",
        ]  # fmt: skip
        command += ["--web-host", page.host, "--web-port", str(page.port)] if page else ["--headless"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env=os.environ | {PLAN_VARIABLE: str(plan_file)},
                start_new_session=True,
                text=True,
            )

    def progress(self) -> Iterator[dict[str, Any]]:
        """Yield its reports, about once a second."""
        out: IO[str] | None = self._process.stdout
        assert out
        for line in out:
            if line.startswith(MARK):
                yield json.loads(line.removeprefix(MARK))

    def interrupt(self) -> None:
        """Ask it to end now and to return its counts."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)

    def outcome(self) -> dict[str, Any]:
        """Return accounts and measurements once it has ended; raises GeneratorFailedError."""
        self._process.wait(END_SECONDS)
        if not self._outcome.exists():
            lines = "\n".join(self._log.read_text().splitlines()[-LINES_OF_LOG:])
            raise GeneratorFailedError(f"Locust ended with status {self._process.returncode}:\n{lines}")
        document: dict[str, Any] = json.loads(self._outcome.read_bytes())
        return document

    def close(self) -> None:
        """End it, whatever happens."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()
