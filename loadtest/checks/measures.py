"""Measurements of the generator: latencies in milliseconds, answers with Retry-After, its own delays."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}


def summary(values: Sequence[float]) -> dict[str, float | int]:
    """Return count and quantiles of latencies (ms); each is a value that was measured."""
    ordered = sorted(values)
    figures: dict[str, float | int] = {"count": len(ordered)}
    if ordered:
        figures |= {name: round(ordered[math.ceil(share * len(ordered)) - 1], 1) for name, share in QUANTILES.items()}
    return figures


@dataclass(slots=True)
class Latency:
    """Of one kind of call: from the slot in which it was due, and from when it was sent (the last time)."""

    from_slot: list[float] = field(default_factory=list)
    from_send: list[float] = field(default_factory=list)

    def add(self, due: float, sent: float, now: float) -> None:
        """Count a call that has been answered; times in seconds."""
        self.from_slot.append(1000 * (now - due))
        self.from_send.append(1000 * (now - sent))

    def close(self) -> dict[str, Any]:
        """Return it as plain numbers."""
        return {"from_slot_ms": summary(self.from_slot), "from_send_ms": summary(self.from_send)}


@dataclass(slots=True)
class Measures:
    """Of a whole run."""

    uploads: defaultdict[str, Latency] = field(default_factory=lambda: defaultdict(Latency))  # by group of agents
    heartbeats: Latency = field(default_factory=Latency)
    reads: defaultdict[str, Latency] = field(default_factory=lambda: defaultdict(Latency))  # by kind
    waits: Counter[str] = field(default_factory=Counter)  # "upload 503 ingest_busy": refused with Retry-After
    lost: Counter[str] = field(default_factory=Counter)  # answers that never came, by reason
    dropped: int = 0  # answers that the scenario didn't read
    failures: Counter[str] = field(default_factory=Counter)  # of heartbeats and reads
    lateness: list[float] = field(default_factory=list)  # ms that the generator woke after a slot
    last: float = 0.0  # when the last upload was answered, in seconds from the start

    def add_upload(self, group: str, due: float, sent: float, now: float) -> None:
        """Count an upload that has been answered for good; times in seconds from the start."""
        self.uploads[group].add(due, sent, now)
        self.last = max(self.last, now)

    def settled(self) -> int:
        """Return how many uploads have been answered for good."""
        return sum(len(latency.from_slot) for latency in self.uploads.values())

    def close(self) -> dict[str, Any]:
        """Return them as plain numbers."""
        every = [value for latency in self.uploads.values() for value in latency.from_slot]
        return {
            "uploads": {group: latency.close() for group, latency in sorted(self.uploads.items())},
            "uploads_from_slot_ms": summary(every),
            "heartbeats": self.heartbeats.close(),
            "reads": {kind: latency.close() for kind, latency in sorted(self.reads.items())},
            "waits": dict(self.waits), "lost": dict(self.lost), "dropped": self.dropped,
            "failures": dict(self.failures), "lateness_ms": summary(self.lateness),
        }  # fmt: skip
