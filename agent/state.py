"""The agent's state file: its id, its token and its settings, readable by its owner only."""

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from agent.client import Identity, RefusedError, register
from agent.collect import describe_machine

RESERVED_BYTES = 4096  # more than an identity has
TEXTS = ("agent_id", "agent_token", "websocket_url")


def load_identity(server: str, token: str | None, state: Path) -> Identity:
    """Return the identity of this agent: from its state file, else by registering with `token`.

    A file that cannot be read is replaced by registering. Raises RefusedError with what to do.
    """
    fault = f"not registered yet (no {state})"
    try:
        return read_identity(state)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, TypeError, KeyError) as error:
        fault = f"{state} cannot be read ({error!r}): restore it, or register this device again"
    if not token:
        raise RefusedError(f"{fault}: pass --token AGT-…, made by an employee")
    reserve(state)
    identity = register(server, token, describe_machine())
    save_identity(identity, state)
    return identity


def read_identity(state: Path) -> Identity:
    """Return the identity of a state file; a setting of another version is left out.

    Raises OSError, ValueError, TypeError or KeyError for a file that cannot be read or is damaged.
    """
    stored: dict[str, Any] = json.loads(state.read_text())
    identity = Identity(**{field.name: stored[field.name] for field in fields(Identity) if field.name in stored})
    if not all(isinstance(getattr(identity, name), str) for name in TEXTS):
        raise ValueError(f"one of {', '.join(TEXTS)} is not a text")
    if min(identity.metrics_interval_seconds, identity.heartbeat_interval_seconds) <= 0:
        raise ValueError("an interval is not above 0")
    return identity


def reserve(state: Path) -> None:
    """Take the room of a state file before a token is spent that works only once; raises RefusedError."""
    try:
        write_synced(new_file(state), " " * RESERVED_BYTES)
    except OSError as error:
        raise RefusedError(f"{state} cannot be written ({error}): the token is not used yet") from error


def save_identity(identity: Identity, state: Path) -> None:
    """Write the state file in one step, readable by its owner only: it holds the token. Raises OSError."""
    new = new_file(state)
    write_synced(new, json.dumps(asdict(identity)))
    new.replace(state)


def new_file(state: Path) -> Path:
    """Return where a new state is written before it takes the place of the old one."""
    return state.with_suffix(".new")


def write_synced(file: Path, text: str) -> None:
    """Write a file of mode 600 that is on the disk afterwards, whatever happens to the power; raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w") as opened:
        opened.write(text)
        opened.flush()
        os.fsync(opened.fileno())
