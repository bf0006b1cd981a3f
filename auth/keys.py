"""Signing keys: a JSON file of mode 600 with two rings, one for agents' tokens and one for the platform's.

A ring has one current key, which signs, and any number of older ones, which keep verifying until they are retired.
The file is looked at again once a second, so that a running server follows `rts-agents keys`.
"""

import json
import logging
import os
import secrets
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from auth.errors import KeyFileError

Ring = Literal["agent", "platform"]
RINGS: tuple[Ring, ...] = ("agent", "platform")
CHECK_SECONDS = 1.0
UNKNOWN_KEY_CHECK_SECONDS = 0.01  # bounds what tokens of made-up keys cost
log = logging.getLogger(__name__)
KEY_BYTES = 32  # HS256 wants at least the size of its hash (RFC 7518, section 3.2)


@dataclass(slots=True)
class KeyRing:
    """The keys of one kind of token: id → secret."""

    current: str
    keys: dict[str, str] = field(default_factory=dict)

    @classmethod
    def new(cls) -> "KeyRing":
        """Make a ring with one random key."""
        ring = cls("")
        ring.rotate()
        return ring

    def rotate(self) -> str:
        """Add a random key, make it current, and return its id; older keys continue verifying."""
        self.current = secrets.token_hex(4)
        self.keys[self.current] = secrets.token_urlsafe(KEY_BYTES)
        return self.current

    def retire(self, key_id: str) -> None:
        """Forget a key: tokens that it signed are refused from now on. Raises KeyFileError."""
        if key_id == self.current:
            raise KeyFileError(f"{key_id} is the current key: rotate first, then retire it.")
        if self.keys.pop(key_id, None) is None:
            raise KeyFileError(f"There is no key {key_id}; there are: {', '.join(self.keys)}.")


class KeyFile:
    """The rings of one file, read again when the file has changed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._checked_at = 0.0
        self._rings: dict[str, KeyRing] = {}
        self.generation = 0  # grows with each change, so that caches can compare

    def ring(self, name: Ring, key_id: object = None) -> KeyRing:
        """Return a ring of the present file; raises KeyFileError.

        `key_id`: one that is wanted. Where it isn't known the file is looked at sooner: another process may have signed
        with a key that is younger than our last look.
        """
        age = time.monotonic() - self._checked_at
        if not self._rings or age > CHECK_SECONDS or (age > UNKNOWN_KEY_CHECK_SECONDS and self._lacks(name, key_id)):
            self._reload_if_possible()
        return self._rings[name]

    def _lacks(self, name: Ring, key_id: object) -> bool:
        return isinstance(key_id, str) and key_id not in self._rings[name].keys

    def save(self, rings: dict[Ring, KeyRing]) -> None:
        """Write the file, mode 600, in one step: a reader sees the old keys or the new ones."""
        content = {name: {"current": ring.current, "keys": ring.keys} for name, ring in rings.items()}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=self._path.parent)  # mkstemp makes it with mode 600
        with os.fdopen(handle, "w") as file:
            json.dump(content, file, indent=2)
        Path(temporary).replace(self._path)

    def create(self) -> None:
        """Make the file with new keys unless it is there."""
        if not self._path.exists():
            self.save({name: KeyRing.new() for name in RINGS})

    def _reload_if_possible(self) -> None:
        """Read the file again; once there are keys, a fault of the file is logged and the keys stay in use."""
        try:
            self._reload()
        except (KeyFileError, OSError) as fault:
            if not self._rings:
                raise
            log.error("the signing keys were not reloaded: %s", fault)

    def _reload(self) -> None:
        self._checked_at = time.monotonic()
        try:
            status = self._path.stat()
            stamp = status.st_mtime_ns, status.st_ino
            if stamp != self._stamp:
                self._rings = self._read(status.st_mode)
                self._stamp = stamp
                self.generation += 1
        except FileNotFoundError:
            raise KeyFileError(
                f"There is no key file {self._path}: make one with `rts-agents keys create`, or set RTS_KEYS_FILE."
            ) from None

    def _read(self, mode: int) -> dict[str, KeyRing]:
        if mode & 0o077:
            raise KeyFileError(f"{self._path} can be read by others: run chmod 600 {self._path}")
        try:
            content = json.loads(self._path.read_text())
            rings: dict[str, KeyRing] = {
                name: KeyRing(content[name]["current"], dict(content[name]["keys"])) for name in RINGS
            }
            for ring in rings.values():
                _ = ring.keys[ring.current]  # the key that signs must be there
            return rings
        except (ValueError, KeyError, TypeError) as error:
            raise KeyFileError(f"{self._path} is not a key file: {error!r}") from error
