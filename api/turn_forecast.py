"""How long a large upload will wait for its turn, and when one that has to come again should do so.

All by how long turns took lately: a turn lasts until the writer has room for the next upload, so that this is also the
rate at which the queue shrinks. Uploads that are refused get later and later times, each one turn after the other, so
that they return one by one. They return early, because a queue that has ended too soon is lost time, and one that comes
too early only waits, or is refused once more.
"""

import time
from collections.abc import Callable

WEIGHT = 0.05  # of the newest turn in the average, which begins at 0: nobody is refused for the first turns
MAX_AWAY_SECONDS = 60.0  # of an upload that comes again: a queue may shrink sooner than it seems


class TurnForecast:
    """Of one process; times in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn_seconds = 0.0
        self._booked_until = 0.0  # when the turns are over of all that wait and of all that will come again

    def note(self, seconds: float) -> None:
        """Count how long a turn took."""
        self._turn_seconds += (seconds - self._turn_seconds) * WEIGHT

    def wait(self, turns: int) -> float:
        """Return how long `turns` turns are expected to take; 0 before the first."""
        return turns * self._turn_seconds

    def book(self, turns: int, early: float) -> float:
        """Return after how long an upload that finds `turns` turns before it should come again.

        It should be back `early` seconds before its turn, and after half of that time at the latest.
        """
        now = self._clock()
        self._booked_until = max(self._booked_until, now + self.wait(turns)) + self._turn_seconds
        self._booked_until = min(self._booked_until, now + MAX_AWAY_SECONDS)
        wait = self._booked_until - now
        return max(0.0, min(wait - early, wait / 2))
