"""Attacks by connections that never send all: half a head, or a body that stalls or comes a byte at a time.

They need no valid token and cost their sender nothing. Each connection that the server closes is opened again.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from urllib.parse import urlsplit

import gevent
import gevent.socket

from loadtest.fleet.scenarios import POISONED
from loadtest.state import Stage

PAUSE_SECONDS = 0.2  # before a closed connection is opened again
DRIBBLE_SECONDS = 1.0  # between two bytes
LONGEST_SECONDS = 60.0  # that the server may leave a connection open: beyond it the attack counts as `never closed`
ANNOUNCED = 1_000_000  # bytes of the bodies that never come

Attack = Callable[[socket.socket, bytes], None]


def attack(stage: Stage) -> None:
    """Start every connection of the attacks, in the background; they end with the last slot."""
    attacker = next(member for member in stage.plan.members if member.tenant == POISONED)
    head = (
        f"POST /api/agents/{attacker.agent_id}/metrics HTTP/1.1\r\nHost: {urlsplit(stage.plan.host).netloc}\r\n"
        f"Authorization: Bearer {attacker.token}\r\nContent-Type: application/json\r\n"
    ).encode()
    for name, one in ATTACKS.items():
        for _ in range(stage.plan.settings.held_connections):
            gevent.spawn(repeat, stage, name, one, head)


def repeat(stage: Stage, name: str, one: Attack, head: bytes) -> None:
    """Attack again and again from the middle of the run until its end; count the connections."""
    address = urlsplit(stage.plan.host)
    gevent.sleep(max(0.0, stage.plan.settings.attack_after - stage.now()))
    while not stage.over():
        with (
            suppress(OSError),
            gevent.socket.create_connection((address.hostname, address.port or 80), timeout=LONGEST_SECONDS) as line,
        ):
            stage.measures.attacks[name] += 1
            try:
                one(line, head)
            except TimeoutError:
                stage.measures.attacks[f"{name}, never closed"] += 1
        gevent.sleep(PAUSE_SECONDS)


def half_head(line: socket.socket, head: bytes) -> None:
    """Send half a head and wait until the server closes the connection."""
    line.sendall(head[: len(head) // 2])
    wait_for_end(line)


def stalled_body(line: socket.socket, head: bytes) -> None:
    """Announce a body, send its first bytes and wait until the server closes the connection."""
    line.sendall(head + b'Content-Length: %d\r\n\r\n{"metrics": [' % ANNOUNCED)
    wait_for_end(line)


def dribbled_body(line: socket.socket, head: bytes) -> None:
    """Announce a body and send a byte at a time, until the server closes the connection."""
    line.sendall(head + b"Content-Length: %d\r\n\r\n" % ANNOUNCED)
    for _ in range(round(LONGEST_SECONDS / DRIBBLE_SECONDS)):
        line.sendall(b" ")  # fails once the connection is closed
        gevent.sleep(DRIBBLE_SECONDS)
    raise TimeoutError


def wait_for_end(line: socket.socket) -> None:
    while line.recv(4096):
        pass


ATTACKS: dict[str, Attack] = {
    "half heads": half_head, "stalled bodies": stalled_body, "dribbled bodies": dribbled_body,
}  # fmt: skip
