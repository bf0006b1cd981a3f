"""The agent's loop: sample, upload, heartbeat, each at its time, until it is told to stop."""

import json
import logging
import os
import threading
import time
from dataclasses import asdict
from pathlib import Path

from agent.client import Identity, RefusedError, Uplink, register
from agent.collect import Collector, describe_machine

log = logging.getLogger(__name__)


def load_identity(server: str, token: str | None, state: Path) -> Identity:
    """Return who this agent is: from its state file, else by registering with `token`.

    Raises RefusedError when there is neither.
    """
    if state.exists():
        return Identity(**json.loads(state.read_text()))
    if not token:
        raise RefusedError(f"not registered yet (no {state}): pass --token AGT-…, made by an employee")
    identity = register(server, token, describe_machine())
    save_identity(identity, state)
    return identity


def save_identity(identity: Identity, state: Path) -> None:
    """Write the state file, readable by its owner only: it holds the token."""
    state.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(state, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as file:
        json.dump(asdict(identity), file)


def run(server: str, identity: Identity, stop: threading.Event, interval: float | None, count: int | None) -> None:
    """Sample every `interval` seconds (None: what the server said), `count` times (None: until `stop`).

    Slots lie on absolute time, so that slow uploads don't make the samples drift. Raises RefusedError.
    """
    every = interval or identity.metrics_interval_seconds
    collector, uplink = Collector(), Uplink(server, identity)
    try:
        keep_going(collector, uplink, identity, every, stop, count)
    finally:
        uplink.close()


def keep_going(
    collector: Collector, uplink: Uplink, identity: Identity, every: float, stop: threading.Event, count: int | None
) -> None:
    """Run the loop itself."""
    slot = time.monotonic() + min(1.0, every)  # the first one soon, but with a moment of CPU use to count
    next_heartbeat = next_upload = 0.0
    taken = 0
    while not stop.wait(max(0.0, slot - time.monotonic())):
        uplink.add(collector.sample())
        taken += 1
        now = time.monotonic()
        if now >= next_heartbeat:
            uplink.heartbeat()
            next_heartbeat = now + identity.heartbeat_interval_seconds
        if now >= next_upload:
            next_upload = now + send(uplink)
        if count is not None and taken >= count:
            return
        slot += every * max(1, -(-(time.monotonic() - slot) // every))


def send(uplink: Uplink) -> float:
    """Upload what waits, several times after an outage; return the seconds to hold back."""
    while uplink.waiting:
        outcome, hold_back = uplink.upload()
        log.info("%s (%d waiting)", outcome, len(uplink.waiting))
        if hold_back:
            return hold_back
    return 0.0
