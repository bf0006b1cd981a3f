"""The target of the attacks, and their results."""

from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from loadtest.plan import Member


@dataclass(slots=True)
class AttackTarget:
    """The server `host` (http://…), the devices that attack it, and counts of answers by attack."""

    host: str
    members: list[Member]
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.host)
        return parts.hostname or "127.0.0.1", parts.port or 80

    def note(self, attack: str, answer: int | str) -> None:
        """Count an answer, as `stalled body 408`."""
        self.seen[f"{attack} {answer}"] += 1
