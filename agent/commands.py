"""Commands of the server: fetched or pushed, each run once; results stay in the store until the server has them."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from agent.client import Uplink, parse_json

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Outcome:
    """The result of a command; `output` is its text."""

    status: str = "completed"
    output: str = ""
    error_message: str | None = None


Action = Callable[[dict[str, Any]], Outcome]


@dataclass(slots=True)
class Commands:
    """Runs the commands it has an action for, by type; every other type fails."""

    uplink: Uplink
    actions: dict[str, Action]
    _later: list[dict[str, Any]] = field(default_factory=list)

    def report_interrupted(self) -> None:
        """Fail the commands that were running when the agent stopped: they are not run twice."""
        for command_id, started_at in self.uplink.store.interrupted_commands():
            outcome = Outcome("failed", error_message="the agent stopped while this command was running")
            self.uplink.store.finish_command(command_id, result_of(outcome, started_at))

    def fetch(self) -> None:
        """Fetch the waiting commands and run them; if the server is unavailable, the next call tries again."""
        try:
            response = self.uplink.get("/commands")
        except httpx.TransportError:
            return
        for command in parse_json(response).get("commands", []):
            self.run(command)

    def run(self, command: dict[str, Any]) -> None:
        """Run a command unless it has run before or was cancelled; keep its result."""
        command_id = str(command.get("command_id"))
        store = self.uplink.store
        if store.has_begun(command_id):
            return
        may_start = self._may_start(command_id)
        if may_start is None:
            self._later.append(command)
        if not may_start:
            return
        began, started = datetime.now(UTC).isoformat(), time.monotonic()
        if not store.begin_command(command_id, began):
            return
        log.info("running %s", command.get("command_type"))
        outcome = self._do(command)
        log.info("%s is %s after %.1f s", command.get("command_type"), outcome.status, time.monotonic() - started)
        store.finish_command(command_id, result_of(outcome, began))
        self.send_results()

    def send_results(self) -> None:
        """Send the results that the server does not have yet."""
        while waiting := self.uplink.store.next_result():
            command_id, result = waiting
            try:
                response = self.uplink.post(f"/commands/{command_id}/result", result)
            except httpx.TransportError:
                return
            is_recorded = response.status_code == 200 and "recorded" in parse_json(response)
            is_refused = response.status_code in (404, 409, 413, 422) and "error" in parse_json(response)
            if not (is_recorded or is_refused):
                return
            self.uplink.store.drop_result(command_id)

    def try_again(self) -> None:
        """Start commands whose start could not be reported before."""
        later, self._later = self._later, []
        for command in later:
            self.run(command)

    def _may_start(self, command_id: str) -> bool | None:
        """Report the start; 409: the command was cancelled or has ended. None: no answer, try again."""
        try:
            response = self.uplink.post(f"/commands/{command_id}/started", {})
        except httpx.TransportError:
            return None
        if response.status_code == 429 or response.status_code >= 500 or not parse_json(response):
            return None
        return response.status_code == 200 and parse_json(response).get("go_on") is True

    def _do(self, command: dict[str, Any]) -> Outcome:
        action = self.actions.get(str(command.get("command_type")))
        if action is None:
            supported = ", ".join(sorted(self.actions))
            return Outcome("failed", error_message=f"this agent supports only {supported}")
        try:
            return action(command.get("params") or {})
        except Exception as error:
            log.exception("a command failed")
            return Outcome("failed", error_message=repr(error)[:2000])


def result_of(outcome: Outcome, started_at: str) -> dict[str, Any]:
    """Return a result in the form of the API; times are RFC 3339 in UTC by the device's clock."""
    return {
        "status": outcome.status, "exit_code": 0 if outcome.status == "completed" else 1,
        "stdout": outcome.output, "stderr": "", "error_message": outcome.error_message,
        "started_at": started_at, "completed_at": datetime.now(UTC).isoformat(),
    }  # fmt: skip
