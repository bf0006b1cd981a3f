"""Commands of the server: fetched or sent live, run once each, and their results kept until the server has them."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from agent.client import Uplink, json_of

log = logging.getLogger(__name__)

REMEMBERED = 1_000  # commands whose id is known: one that is handed out twice is run once


@dataclass(slots=True)
class Outcome:
    """How a command ended: `output` is what it has to say."""

    status: str = "completed"
    output: str = ""
    error_message: str | None = None


Action = Callable[[dict[str, Any]], Outcome]


@dataclass(slots=True)
class Commands:
    """Runs what it knows, by type; everything else is refused as failed."""

    uplink: Uplink
    actions: dict[str, Action]
    _seen: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    _later: list[dict[str, Any]] = field(default_factory=list)
    _results: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def fetch(self) -> None:
        """Ask the server what waits and run it; a server that is away is asked again later."""
        try:
            response = self.uplink.get("/commands")
        except httpx.TransportError:
            return
        for command in json_of(response).get("commands", []):
            self.run(command)

    def run(self, command: dict[str, Any]) -> None:
        """Run a command unless it was run before or the server no longer wants it; keep its result."""
        command_id = str(command.get("command_id"))
        if command_id in self._seen:
            return
        may_start = self._may_start(command_id)
        if may_start is None:
            self._later.append(command)
        if not may_start:
            return
        self._seen.append(command_id)
        log.info("running %s", command.get("command_type"))
        began, started = datetime.now(UTC), time.monotonic()
        outcome = self._do(command)
        log.info("%s is %s after %.1f s", command.get("command_type"), outcome.status, time.monotonic() - started)
        self._results.append((command_id, {
            "status": outcome.status, "exit_code": 0 if outcome.status == "completed" else 1,
            "stdout": outcome.output, "stderr": "", "error_message": outcome.error_message,
            "started_at": began.isoformat(), "completed_at": datetime.now(UTC).isoformat(),
        }))  # fmt: skip
        self.send_results()

    def send_results(self) -> None:
        """Send the results that the server doesn't have yet."""
        while self._results:
            command_id, result = self._results[0]
            try:
                response = self.uplink.post(f"/commands/{command_id}/result", result)
            except httpx.TransportError:
                return
            taken = response.status_code == 200 and "recorded" in json_of(response)
            hopeless = response.status_code in (404, 409, 413, 422) and "error" in json_of(response)
            if not (taken or hopeless):
                return
            self._results.pop(0)

    def try_again(self) -> None:
        """Begin what couldn't be begun before, because nobody answered."""
        later, self._later = self._later, []
        for command in later:
            self.run(command)

    def _may_start(self, command_id: str) -> bool | None:
        """Say that it begins; 409 means that it was cancelled or has ended. None: nobody answered, ask again."""
        try:
            response = self.uplink.post(f"/commands/{command_id}/started", {})
        except httpx.TransportError:
            return None
        if response.status_code == 429 or response.status_code >= 500 or not json_of(response):
            return None
        return response.status_code == 200 and json_of(response).get("go_on") is True

    def _do(self, command: dict[str, Any]) -> Outcome:
        action = self.actions.get(str(command.get("command_type")))
        if action is None:
            known = ", ".join(sorted(self.actions))
            return Outcome("failed", error_message=f"this agent only knows {known}")
        try:
            return action(command.get("params") or {})
        except Exception as error:
            log.exception("a command failed")
            return Outcome("failed", error_message=repr(error)[:2000])
