"""One upload in flight: its body, packed, and its expected receipt."""

import gzip
from array import array
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson

from loadtest.fleet.series import SERIES_EVERY, cpu_tenths, parts_at, sample_at

GZIP_ABOVE_BYTES = 1_000  # as the real agent does
MAX_SAMPLES = 1_000  # in one upload, as docs/agent-protocol.md advises


@dataclass(slots=True)
class Payload:
    """An upload. `times` (ms) and `tenths` (CPU) are the values of the samples; a time of -1 can't be stored at all."""

    body: bytes
    times: "array[int]"
    tenths: "array[int]"
    encoding: str = ""
    expected: dict[int, str] = field(default_factory=dict)  # index → code of its rejection; the others are good
    refusal: str = ""  # "400 bad_gzip": the whole upload must be refused so
    path: str = ""  # another agent's agent_id
    token: str = ""  # another token than the agent's own
    has_series: bool = False  # each of its samples has disks and interfaces

    @property
    def size(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class Due:
    """An upload that is due `offset` seconds from the start; `make` packs it, given the start in Unix seconds."""

    offset: float
    make: Callable[[float], Payload]


def pack(samples: list[dict[str, Any]], times: Iterable[int], tenths: Iterable[int]) -> Payload:
    """Return samples as an upload, compressed as an agent would."""
    body = orjson.dumps({"metrics": samples})
    encoding = ""
    if len(body) > GZIP_ABOVE_BYTES:
        body, encoding = gzip.compress(body, compresslevel=1, mtime=0), "gzip"
    return Payload(body, array("q", times), array("h", tenths), encoding)


def pack_times(number: int, times: Iterable[int], seed: int) -> Payload:
    """Return good samples of agent `number` at `times` (ms) as one upload."""
    remaining = list(times)
    tenths = [cpu_tenths(number, ms, seed) for ms in remaining]
    samples = [sample_at(number, ms, tenth) for ms, tenth in zip(remaining, tenths, strict=True)]
    has_series = number % SERIES_EVERY == 0
    if has_series:
        samples = [one | parts_at(number, *each) for one, *each in zip(samples, remaining, tenths, strict=True)]
    payload = pack(samples, remaining, tenths)
    payload.has_series = has_series
    return payload


def pack_backlog(number: int, times: list[int], seed: int) -> list[Payload]:
    """Return a backlog as uploads of at most MAX_SAMPLES, oldest first."""
    return [pack_times(number, times[first : first + MAX_SAMPLES], seed) for first in range(0, len(times), MAX_SAMPLES)]
