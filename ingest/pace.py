"""Decides when a group of uploads begins: after the uploads that arrive together, at the latest after a fixed time.

A commit costs the same for one upload as for hundreds, so uploads that arrive shortly after each other share one. The
usual gap between arrivals is measured: a pause of several such gaps means that no other upload is arriving.
"""

import time

# From the beginning of one group to the next, while uploads keep arriving. The first upload after a pause does not
# wait; no upload does while commits take longer than this.
BETWEEN_SECONDS = 0.02
PAUSE_GAPS = 4.0
MIN_PAUSE_SECONDS = 0.001
WEIGHT = 0.05  # of the newest gap in the average


class Pace:
    """The arrivals of one process; all times by time.monotonic."""

    def __init__(self) -> None:
        self._gap = BETWEEN_SECONDS
        self._last = 0.0
        self._began = 0.0

    def arrived(self, *, joins: bool) -> None:
        """Note an upload; `joins`: others wait already, so that the time since the last one is a gap."""
        now = time.monotonic()
        if joins:
            self._gap += (now - self._last - self._gap) * WEIGHT
        self._last = now

    def began(self) -> None:
        """Note that a group begins now."""
        self._began = time.monotonic()

    def wait(self) -> float:
        """Return the estimated seconds until the next group may begin; 0 or less: now."""
        pause = max(MIN_PAUSE_SECONDS, PAUSE_GAPS * self._gap)
        return min(self._began + BETWEEN_SECONDS, self._last + pause) - time.monotonic()
