"""The agent's loop: sample, upload, heartbeat and commands, each at its time, until `stop` is set."""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from agent.client import Identity, RefusedError, Uplink, parse_json
from agent.collect import Collector
from agent.commands import Commands, Outcome
from agent.database import StoreInUseError
from agent.inventory import list_software
from agent.live import LiveConnection
from agent.store import AgentStore

log = logging.getLogger(__name__)

CONFIGURED = ("metrics_interval_seconds", "heartbeat_interval_seconds", "websocket_url")
WAIT_SECONDS = 1.0  # longest time until it notices `stop`


def run(
    server: str,
    identity: Identity,
    stop: threading.Event,
    interval: float | None,
    count: int | None,
    save: Callable[[Identity], None] = lambda _: None,
    queue_file: Path | None = None,
) -> None:
    """Sample every `interval` seconds (None: the server's setting), `count` times (None: until `stop`).

    `save` keeps an identity whose token has changed. `queue_file` keeps unsent samples, begun commands and results
    across runs; None keeps them in memory. Raises RefusedError, also when another agent runs with this file.
    """
    try:
        store = AgentStore(queue_file)
    except StoreInUseError as error:
        raise RefusedError(str(error)) from error
    agent = AgentLoop(server, identity, interval, stop, save, store)
    try:
        agent.keep_going(count)
    finally:
        stop.set()
        agent.uplink.close()
        store.close()


class AgentLoop:
    """The loop of this machine's agent: its schedule and its commands."""

    def __init__(
        self,
        server: str,
        identity: Identity,
        interval: float | None,
        stop: threading.Event,
        save: Callable[[Identity], None],
        store: AgentStore,
    ) -> None:
        self.uplink = Uplink(server, identity, store)
        self._identity = identity
        self._interval = interval  # given on the command line: overrides the server's configuration
        self._every = interval or identity.metrics_interval_seconds
        self._stop = stop
        self._save = save
        self._collector = Collector()
        self._arrived: queue.Queue[dict[str, Any]] = queue.Queue()
        self._live = LiveConnection(identity.websocket_url, identity.agent_token, self._arrived, stop)
        self._commands = Commands(
            self.uplink, {"collect_now": self._collect_now, "collect_inventory": self._collect_inventory}
        )
        self._commands.report_interrupted()
        self._next_upload = self._next_heartbeat = 0.0

    def keep_going(self, count: int | None) -> None:
        """Run the loop. Slots lie on absolute time, so that slow uploads do not shift the samples."""
        if self._identity.websocket_url:
            self._live.start()
        slot = time.monotonic() + min(1.0, self._every)  # the first one soon, but with a moment of CPU use to count
        measured_count = 0
        while not self._stop.is_set():
            self._wait_for_commands(slot)
            self._send_heartbeat()
            if time.monotonic() < slot:
                continue
            self._sample()
            measured_count += 1
            if count is not None and measured_count >= count:
                return
            slot += self._every * max(1, -(-(time.monotonic() - slot) // self._every))

    def _wait_for_commands(self, until: float) -> None:
        """Run commands that arrive over the WebSocket, until the next slot or for a moment."""
        try:
            command = self._arrived.get(timeout=max(0.0, min(WAIT_SECONDS, until - time.monotonic())))
        except queue.Empty:
            return
        self._commands.run(command)

    def _send_heartbeat(self) -> None:
        """Send a heartbeat if it is due, whatever the interval of samples."""
        now = time.monotonic()
        if now >= self._next_heartbeat:
            self._next_heartbeat = now + self._identity.heartbeat_interval_seconds
            self._follow_answer(self.uplink.heartbeat())
            self._commands.send_results()

    def _sample(self) -> None:
        self.uplink.add(self._collector.sample())
        now = time.monotonic()
        if now >= self._next_upload:
            self._next_upload = now + send(self.uplink)
        self._commands.try_again()
        self._commands.send_results()

    def _follow_answer(self, answer: dict[str, Any]) -> None:
        """Act on the answer to a heartbeat."""
        config = answer.get("config")
        if isinstance(config, dict):
            self._store_config({name: value for name, value in config.items() if name in CONFIGURED})
        if answer.get("rotate_token"):
            self._change_token()
        if answer.get("pending_commands"):
            self._commands.fetch()

    def _store_config(self, config: dict[str, Any]) -> None:
        """Store changed settings; compared at each heartbeat, so that a lost answer does no harm."""
        new = replace(self._identity, **config)
        if new != self._identity:
            self._identity = new
            if not self._keep(new):
                log.warning("the changed configuration holds until the agent ends")
            self._every = self._interval or new.metrics_interval_seconds
            log.info("the configuration has changed")

    def _change_token(self) -> None:
        """Get a new token; it is kept before it is used, so a crash in between loses neither.

        One that cannot be kept is not used: the old one stays valid, and the next heartbeat asks for another.
        """
        token = self.uplink.rotate()
        new = replace(self._identity, agent_token=token) if token else None
        if token and new and self._keep(new):
            self._identity = new
            self.uplink.use(token)
            self._live.token = token
            log.info("the token was replaced")

    def _keep(self, identity: Identity) -> bool:
        """Write the state file; return whether that was possible."""
        try:
            self._save(identity)
        except OSError as error:
            log.warning("the state file cannot be written: %s", error)
            return False
        return True

    def _collect_now(self, params: dict[str, Any]) -> Outcome:
        """Take a sample now and upload it."""
        del params
        sample = self._collector.sample()
        self.uplink.add(sample)
        send(self.uplink)
        return Outcome(output=json.dumps(sample))

    def _collect_inventory(self, params: dict[str, Any]) -> Outcome:
        """List the machine's software and send the whole list."""
        del params
        software = list_software()
        body = {"collected_at": datetime.now(UTC).isoformat(), "mode": "full", "software": software}
        try:
            response = self.uplink.post("/inventory/software", body)
        except httpx.TransportError as error:
            return Outcome("failed", error_message=str(error))
        done = response.status_code == 200
        return Outcome("completed" if done else "failed", output=json.dumps(parse_json(response)))


def send(uplink: Uplink) -> float:
    """Upload the waiting samples, in several uploads after an outage; return the seconds until the next try."""
    while uplink.waiting:
        outcome, hold_back = uplink.upload()
        log.info("%s (%d waiting)", outcome, uplink.waiting)
        if hold_back:
            return hold_back
    return 0.0
