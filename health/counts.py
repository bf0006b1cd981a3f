"""The metrics of one server process, as passed between processes: counters, and present values."""

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from core.histogram import Histogram
from ingest.counters import UPLOAD_BOUNDS, IngestCounters

Counted = TypeVar("Counted", bound=msgspec.Struct)


class WebCounters(msgspec.Struct):
    """Counters of requests other than uploads and sockets; times in seconds."""

    answers: dict[str, int] = msgspec.field(default_factory=dict)  # by the class of the status: 2xx
    seconds: Histogram = msgspec.field(default_factory=lambda: Histogram.of(UPLOAD_BOUNDS))
    quota_refusals: dict[str, int] = msgspec.field(default_factory=dict)  # of all calls of devices, by quota

    def answered(self, status: int, seconds: float) -> None:
        """Count one request by the class of its status; `seconds`: its duration."""
        kind = f"{status // 100}xx"
        self.answers[kind] = self.answers.get(kind, 0) + 1
        self.seconds.add(seconds)


class Gauges(msgspec.Struct):
    """The present values of a process."""

    buffered_samples: int = 0
    buffered_samples_max: int = 0
    body_bytes: int = 0
    agent_sockets: int = 0
    person_sockets: int = 0
    pool_connections: int = 0
    pool_connections_used: int = 0
    pool_connections_max: int = 0


class ProcessCounts(msgspec.Struct):
    """All counters and gauges of one process; times in seconds since 1970.

    The counters continue from those of the dead process whose slot this one took over (`slots.py`).
    """

    uploads: IngestCounters = msgspec.field(default_factory=IngestCounters)
    web: WebCounters = msgspec.field(default_factory=WebCounters)
    gauges: Gauges = msgspec.field(default_factory=Gauges)
    cpu_seconds: float = 0.0
    memory_bytes: int = 0
    loop_delay_seconds: float = 0.0
    started_at: float = 0.0
    written_at: float = 0.0
    has_ended: bool = False


def add_up(parts: Iterable[Counted]) -> Counted:
    """Return the sum of one or more objects of a class, field by field."""
    first, *rest = parts
    total = msgspec.json.decode(msgspec.json.encode(first), type=type(first))
    for other in rest:
        for field in msgspec.structs.fields(type(first)):
            left, right = getattr(total, field.name), getattr(other, field.name)
            setattr(total, field.name, added(left, right))
    return total


def added(left: Any, right: Any) -> Any:
    """Return the sum of two values of a field."""
    if isinstance(left, dict):
        return {key: left.get(key, 0) + right.get(key, 0) for key in left.keys() | right.keys()}
    if isinstance(left, Histogram):
        counts = [one + other for one, other in zip(left.counts, right.counts, strict=True)]
        return Histogram(left.bounds, counts, left.total + right.total)
    return left + right
