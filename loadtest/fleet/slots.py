"""Absolute time slots: when each call is due, fixed before the run. A call that waits doesn't move the next one.

A closed loop (send, wait for the answer, pause) sends less while the server is slow, and so hides the queue that real
agents would form. Here a slow answer leaves the later slots where they are, and latency counts from the slot.
"""

from collections.abc import Iterator, Sequence
from itertools import count

# Heartbeats lie this share of an interval behind the uploads, so that the two don't come in pairs.
HEARTBEAT_SHIFT = 0.5


def interval_of(number: int, intervals: Sequence[float]) -> float:
    """Return the interval of agent `number`, in seconds: the agents take turns with `intervals`."""
    return intervals[number % len(intervals)]


def phase_of(number: int, agents: int, intervals: Sequence[float]) -> float:
    """Return when agent `number` is first due, in seconds from the start, in [0, its interval).

    Those of one interval are spread evenly over it.
    """
    turns = len(intervals)
    peers = len(range(number % turns, agents, turns))
    return interval_of(number, intervals) * (number // turns) / peers


def slots(phase: float, interval: float, seconds: float) -> Iterator[float]:
    """Yield phase + k * interval for k = 0, 1, 2 … while below `seconds`; multiplied, so that nothing adds up."""
    for turn in count():
        due = phase + turn * interval
        if due >= seconds:
            return
        yield due


def heartbeat_slots(number: int, agents: int, intervals: Sequence[float], seconds: float) -> Iterator[float]:
    """Yield when the heartbeats of an agent are due: as often as its uploads, half an interval away from them."""
    interval = interval_of(number, intervals)
    phase = (phase_of(number, agents, intervals) + HEARTBEAT_SHIFT * interval) % interval
    return slots(phase, interval, seconds)
